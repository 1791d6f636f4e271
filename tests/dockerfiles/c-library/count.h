#pragma once

// Words of a text.
int count(const char* text);
