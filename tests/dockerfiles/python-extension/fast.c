long sum(long n) {
  long all = 0;
  for (long i = 1; i <= n; i++) all += i;
  return all;
}
