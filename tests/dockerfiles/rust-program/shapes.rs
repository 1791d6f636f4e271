pub fn area(width: u32, height: u32) -> u32 {
    width * height
}

#[test]
fn multiplies() {
    assert_eq!(area(2, 5), 10);
}
