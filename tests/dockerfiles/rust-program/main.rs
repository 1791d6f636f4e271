fn main() {
    let sides: Vec<u32> = std::env::args().skip(1).map(|side| side.parse().unwrap()).collect();
    println!("area {}", shapes::area(sides[0], sides[1]));
}
