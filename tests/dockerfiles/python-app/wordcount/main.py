import collections
import sys


def count(text):
    return collections.Counter(text.split())


def run():
    for word, times in sorted(count(sys.stdin.read()).items()):
        print(word, times)
