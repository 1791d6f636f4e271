package main

import (
	_ "embed"
	"os"
	"strings"

	"example.test/service/internal/greet"
)

//go:embed origin.txt
var origin string

var version = "unset"

func main() {
	name := strings.TrimPrefix(os.Args[1], "--greet=")
	os.Stdout.WriteString(greet.Say(name, version, strings.TrimSpace(origin)) + "\n")
}
