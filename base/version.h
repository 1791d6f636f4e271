// What the programs call themselves. The version is one that clients take for newer than the reference's, so that they
// use what we have; the package name is our own.
#pragma once

namespace bk {

inline constexpr char kPackage[] = "buildkit-cpp";
inline constexpr char kVersion[] = "v0.99.0";
inline constexpr char kRevision[] = "";
// The Dockerfile language that the built-in frontend follows.
inline constexpr char kDockerfileVersion[] = "1.99.0";

}  // namespace bk
