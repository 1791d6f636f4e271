// Attributes of image exporters, checked (reference: ImageCommitOpts, and what image and oci add).
//
// Values; thread-safe. Errors have the reference's texts: `non-bool value specified for KEY: …`.
#pragma once

#include <optional>
#include <string>

#include "base/oci.h"
#include "daemon/exporter/annotations.h"

namespace bk::exporter {

// SOURCE_DATE_EPOCH of an export. "Not given" (absent) lets the frontend's value count, "given but empty" does not.
using Epoch = std::optional<std::optional<int64_t>>;

// Takes source-date-epoch out of `attrs`.
absl::StatusOr<Epoch> TakeEpoch(TextMap& attrs);
// What the frontend said ("source.date.epoch[/PLATFORM]"); empty when it said nothing.
absl::StatusOr<std::optional<int64_t>> FrontendEpoch(const TextMap& metadata, const std::string& platform_id);

struct ImageOptions {
  std::string name;  // comma-separated; "*": what the frontend says
  CompressionChoice compression;
  std::optional<bool> oci_types, oci_artifact;
  bool prefer_nondistributable = false, rewrite_timestamp = false, inline_attestations = false;
  AnnotationGroups annotations;
  Epoch epoch;

  // Takes what it knows out of `attrs`.
  static absl::StatusOr<ImageOptions> Take(TextMap& attrs);
  // Fills in what depends on the exporter ("oci" always has OCI types) and the build's compatibility version, and refuses
  // what that version did not have.
  absl::Status SetDefaults(int compatibility_version, const std::string& exporter);
  // Options that exclude each other.
  absl::Status Check() const;
  bool oci() const { return oci_types.value_or(true); }
};

// Takes a switch out of `attrs`; "" means true, an absent one leaves `value`.
absl::Status TakeSwitch(TextMap& attrs, const char* key, bool& value);

}  // namespace bk::exporter
