import unittest

from wordcount.main import count


class Count(unittest.TestCase):
    def test_words(self):
        self.assertEqual(count("a b a"), {"a": 2, "b": 1})

    def test_nothing(self):
        self.assertEqual(count(""), {})
