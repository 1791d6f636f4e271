// The lines of the tty display: which there are, and which of them have room. Pure but for the marks in the steps' rows.
#pragma once

#include <vector>

#include "client/progress/trace.h"

namespace bk::client {

// A row a started step, its transfers and its warnings, in order of their start. Rows live as long as the trace and stay
// the same until their step changes.
std::vector<Row*> MakeRows(Trace& trace);

// Opens log windows below running steps, those with the most output first, while there is room for whole ones on a
// terminal of `terminal_rows`; then drops rows that do not fit, finished ones before running ones. `all`: drops none.
std::vector<Row*> FitRows(Trace& trace, std::vector<Row*> rows, int terminal_rows, bool all);

}  // namespace bk::client
