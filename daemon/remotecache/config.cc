// The text of CacheChains: records below leaves, sorted, with layers by index.
#include <algorithm>
#include <ctime>

#include "base/go_json.h"
#include "base/time_text.h"
#include "daemon/remotecache/chains.h"

namespace bk::remotecache {
namespace {

using solver::CacheExportResult;

// Layers with their parents, each chain once.
class LayerTable {
 public:
  struct Layer {
    Digest blob;
    int parent;
    std::string chain;
  };
  int Add(const std::vector<Descriptor>& layers) {
    int parent = -1;
    std::string chain;
    for (const Descriptor& layer : layers) {
      chain = layer.digest.str() + chain;
      auto [it, added] = by_chain_.emplace(chain, static_cast<int>(layers_.size()));
      if (added) layers_.push_back({layer.digest, parent, chain});
      parent = it->second;
    }
    return parent;
  }
  // Sorts by blob, then by what is below; returns where each layer went.
  std::vector<int> Sort() {
    std::vector<int> order(layers_.size()), place(layers_.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = static_cast<int>(i);
    std::sort(order.begin(), order.end(), [&](int a, int b) { return At(a).chain < At(b).chain; });
    for (size_t i = 0; i < order.size(); i++) place[static_cast<size_t>(order[i])] = static_cast<int>(i);
    std::vector<Layer> sorted;
    for (int old : order) {
      sorted.push_back(At(old));
      if (sorted.back().parent >= 0) sorted.back().parent = place[static_cast<size_t>(sorted.back().parent)];
    }
    layers_ = std::move(sorted);
    return place;
  }
  const std::vector<Layer>& layers() const { return layers_; }

 private:
  const Layer& At(int index) const { return layers_[static_cast<size_t>(index)]; }
  std::vector<Layer> layers_;
  std::map<std::string, int> by_chain_;
};

struct Input {
  std::string selector;
  std::string digest;  // of the record it links to
  size_t link;
};

struct ConfigRecord {
  size_t item;
  std::string digest;
  std::vector<std::vector<Input>> inputs;
  int layer = -1;
  int64_t created_ns = 0;
};

bool Before(const ConfigRecord& a, const ConfigRecord& b) {
  if (a.digest != b.digest) return a.digest < b.digest;
  if (a.inputs.size() != b.inputs.size()) return a.inputs.size() < b.inputs.size();
  for (size_t i = 0; i < a.inputs.size(); i++) {
    if (a.inputs[i].size() != b.inputs[i].size()) return a.inputs[i].size() < b.inputs[i].size();
    for (size_t j = 0; j < a.inputs[i].size(); j++) {
      const Input &x = a.inputs[i][j], &y = b.inputs[i][j];
      if (x.selector != y.selector) return x.selector < y.selector;
      if (x.digest != y.digest) return x.digest < y.digest;
    }
  }
  return false;
}

void WriteRecord(GoJsonWriter& w, const ConfigRecord& record) {
  w.BeginObject();
  if (record.layer >= 0) {
    w.Key("layers");
    w.BeginArray();
    w.BeginObject();
    w.Key("layer");
    w.Int(record.layer);
    w.Key("createdAt");
    w.String(Rfc3339OfNs(record.created_ns));
    w.EndObject();
    w.EndArray();
  }
  w.Key("digest");
  w.String(record.digest);
  if (!record.inputs.empty()) {
    w.Key("inputs");
    w.BeginArray();
    for (const auto& links : record.inputs) {
      if (links.empty()) {
        w.Null();
        continue;
      }
      w.BeginArray();
      for (const Input& input : links) {
        w.BeginObject();
        if (!input.selector.empty()) {
          w.Key("selector");
          w.String(input.selector);
        }
        w.Key("link");
        w.Int(static_cast<int64_t>(input.link));
        w.EndObject();
      }
      w.EndArray();
    }
    w.EndArray();
  }
  w.EndObject();
}

const CacheExportResult* Newest(const std::vector<CacheExportResult>& results) {
  auto newest = std::max_element(results.begin(), results.end(), [](const auto& a, const auto& b) { return a.created_ns < b.created_ns; });
  return newest == results.end() ? nullptr : &*newest;
}

}  // namespace

// Records that a leaf depends on, leaves included; records that were absorbed hang on nothing and are left out.
std::vector<CacheChains::Record> CacheChains::InOrder() const {
  std::set<Record> reached;
  std::vector<Record> pending;
  for (const auto& [digest, root] : roots_) {
    for (Record record : Below(root)) {
      if (items_[record].children.empty()) pending.push_back(record);
    }
  }
  while (!pending.empty()) {
    Record next = pending.back();
    pending.pop_back();
    if (!reached.insert(next).second) continue;
    for (const auto& links : items_[next].parents) {
      for (const auto& [parent, selector] : links) pending.push_back(parent);
    }
  }
  return {reached.begin(), reached.end()};
}

std::string CacheChains::Config() const {
  LayerTable layers;
  std::vector<ConfigRecord> records;
  for (Record item : InOrder()) {
    ConfigRecord record{item, items_[item].digest, {}};
    for (const auto& links : items_[item].parents) {
      auto& inputs = record.inputs.emplace_back();
      for (const auto& [parent, selector] : links) inputs.push_back({selector, items_[parent].digest, parent});
      std::sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) { return std::tie(a.digest, a.selector) < std::tie(b.digest, b.selector); });
    }
    const CacheExportResult* result = Newest(items_[item].results);
    if (result != nullptr && !result->layers.empty()) {
      record.layer = layers.Add(result->layers);
      record.created_ns = result->created_ns;
    }
    records.push_back(std::move(record));
  }
  std::vector<int> layer_place = layers.Sort();
  std::stable_sort(records.begin(), records.end(), Before);
  std::map<Record, size_t> place;
  for (size_t i = 0; i < records.size(); i++) place[records[i].item] = i;
  for (ConfigRecord& record : records) {
    if (record.layer >= 0) record.layer = layer_place[static_cast<size_t>(record.layer)];
    for (auto& inputs : record.inputs) {
      for (Input& input : inputs) input.link = place[input.link];
      std::stable_sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) { return a.link < b.link; });
    }
  }
  GoJsonWriter w;
  w.BeginObject();
  if (!layers.layers().empty()) {
    w.Key("layers");
    w.BeginArray();
    for (const auto& layer : layers.layers()) {
      w.BeginObject();
      w.Key("blob");
      w.String(layer.blob.str());
      if (layer.parent != 0) {
        w.Key("parent");
        w.Int(layer.parent);
      }
      w.EndObject();
    }
    w.EndArray();
  }
  if (!records.empty()) {
    w.Key("records");
    w.BeginArray();
    for (const ConfigRecord& record : records) WriteRecord(w, record);
    w.EndArray();
  }
  w.EndObject();
  return w.Take();
}

std::map<Digest, Descriptor> CacheChains::Layers() const {
  std::map<Digest, Descriptor> layers;
  for (Record item : InOrder()) {
    const CacheExportResult* result = Newest(items_[item].results);
    if (result == nullptr) continue;
    for (const Descriptor& layer : result->layers) layers.emplace(layer.digest, layer);
  }
  return layers;
}

}  // namespace bk::remotecache
