import ctypes

fast = ctypes.CDLL("/usr/local/lib/libfast.so")
fast.sum.restype = ctypes.c_long
print("fast says", fast.sum(100))
