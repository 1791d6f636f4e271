fn main() {
    println!("{}", plural::of(std::env::args().count() - 1, "word"));
}
