// What a step is called in all builds of the same thing, whatever number it has there. Pure.
#pragma once

#include <string>

namespace bk::explain {

// "[build 2/5] RUN make" → "build RUN make"; digests of images are left out.
std::string StableName(const std::string& name);
// "build 2"; "" for names without a number.
std::string PositionOf(const std::string& name);
// "RUN make".
std::string Instruction(const std::string& name);

}  // namespace bk::explain
