def main():
    print("hello from a package")
