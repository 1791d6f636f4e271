// Package greet says hello.
package greet

func Say(name, version, origin string) string {
	return "hello " + name + " (" + version + "), from " + origin
}
