#include <doctest/doctest.h>

#include "base/digest.h"
#include "daemon/explain/compare.h"
#include "daemon/explain/identity.h"
#include "daemon/explain/parts.h"

using namespace bk;
using namespace bk::explain;
using v1::Build;
using v1::Step;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

// FROM base → COPY . . (files of a local source) → RUN make.
struct Sample {
  Build build;
  Sample(const std::string& ref, const std::string& files) {
    build.set_ref(ref);
    build.set_completed_ns(100 * kSecond);
    Step& local = Add("local", "[internal] load build context");
    (void)local;
    Step& base = Add("docker-image", "[1/3] FROM alpine");
    base.add_pins("sha256:" + std::string(64, 'a'));
    base.set_outcome(Step::CACHED);
    Part(base, "source", "docker-image://alpine");
    Step& copy = Add("file", "[2/3] COPY . .");
    copy.add_inputs()->set_step(1);
    copy.add_inputs()->set_content(files);
    copy.mutable_inputs(1)->set_step(0);
    Step& run = Add("exec", "[3/3] RUN make");
    run.add_inputs()->set_step(2);
    Part(run, "command", "/bin/sh -c make");
    Part(run, "environment variable VERSION", "=1");
    Part(run, "environment variable CC", "=gcc");
  }
  Step& Add(const std::string& kind, const std::string& name) {
    Step& step = *build.add_steps();
    step.set_kind(kind);
    step.set_name(name);
    step.set_identity(StableName(name));
    step.set_position(PositionOf(name));
    step.set_key("key of " + kind);
    step.set_outcome(Step::RAN);
    return step;
  }
  static void Part(Step& step, const std::string& name, const std::string& value) {
    v1::Part* part = step.add_parts();
    part->set_name(name);
    part->set_value(value);
  }
  Step& base() { return *build.mutable_steps(1); }
  Step& copy() { return *build.mutable_steps(2); }
  Step& run() { return *build.mutable_steps(3); }
};

struct Bench {
  Sample before{"before", "F1"}, now{"now", "F1"};
  std::map<std::string, v1::FileList> files;
  std::map<std::string, int64_t> removed;
  std::vector<Build> others;
  // Sentence by instruction.
  std::map<std::string, std::string> Explain() {
    Known known;
    known.earlier = others;
    known.earlier.push_back(before.build);
    known.files = [&](const std::string& content) { return files.contains(content) ? std::optional(files[content]) : std::nullopt; };
    known.removed_ns = [&](const std::string& id) { return removed.contains(id) ? removed[id] : 0; };
    std::map<std::string, std::string> out;
    v1::ExplainResponse response = bk::explain::Explain(now.build, known);
    for (const auto& step : response.steps()) out[Instruction(step.name())] = step.sentence();
    return out;
  }
};

v1::FileList List(const std::map<std::string, std::string>& files, bool cut = false) {
  v1::FileList list;
  for (const auto& [path, digest] : files) {
    list.add_paths(path);
    std::string piece = digest;
    piece.resize(kDigestBytes, '.');
    list.mutable_digests()->append(piece);
  }
  list.set_cut(cut);
  return list;
}

}  // namespace

TEST_CASE("names: numbers and digests are no part of a step's identity") {
  CHECK(StableName("[2/3] COPY . .") == "COPY . .");
  CHECK(StableName("[linux/amd64 build 2/13] RUN make") == "linux/amd64 build RUN make");
  CHECK(PositionOf("[linux/amd64 build 2/13] RUN make") == "linux/amd64 build 2");
  CHECK(PositionOf("[internal] load build context") == "");
  CHECK(StableName("[internal] load build context") == "[internal] load build context");
  CHECK(StableName("[1/2] FROM a@sha256:" + std::string(64, 'f')) == "FROM a");
  CHECK(StableName("[1/2]") == "[1/2]");
  CHECK(StableName("") == "");
  CHECK(StableName("[x/y] z") == "[x/y] z");
}

TEST_CASE("without an earlier build every step is a first one, but for the client's files") {
  Bench bench;
  bench.before.build.clear_steps();
  auto why = bench.Explain();
  CHECK(why["RUN make"] == "RUN make ran: first build of this step");
  CHECK(why["[internal] load build context"] == "[internal] load build context ran: files of the client are read in each build");
}

TEST_CASE("changed files are named, the step above says which input ran anew") {
  Bench bench;
  bench.now.copy().mutable_inputs(1)->set_content("F2");
  CHECK(bench.Explain()["COPY . ."] == "COPY . . ran: files that it reads changed");
  bench.files["F1"] = List({{"a.c", "1"}, {"b.c", "1"}, {"c.c", "1"}, {"same", "1"}});
  bench.files["F2"] = List({{"a.c", "2"}, {"b.c", "2"}, {"new", "1"}, {"same", "1"}});
  auto why = bench.Explain();
  CHECK(why["COPY . ."] == "COPY . . ran: 4 files changed (a.c, b.c, -c.c, +new)");
  CHECK(why["RUN make"] == "RUN make ran: its input COPY . . ran anew");
  bench.files["F2"] = List({{"a.c", "1"}, {"b.c", "1"}, {"c.c", "1"}, {"same", "1"}, {"\x1b[2J", "1"}});
  CHECK(bench.Explain()["COPY . ."] == "COPY . . ran: 1 file added (+?[2J)");
}

TEST_CASE("lists of files are bounded, and what was cut off is neither new nor gone") {
  std::map<std::string, std::string> many;
  for (int i = 0; i < 50; i++) many[StrCat("f", 100 + i)] = "1";
  int64_t more = 0;
  CHECK(CompareFiles(List({}), List(many), 10, more).size() == 10);
  CHECK(more == 40);
  more = 0;
  CHECK(CompareFiles(List({{"f100", "1"}}, true), List(many), 100, more).empty());
  CHECK(CompareFiles(List(many), List({{"f100", "1"}}, true), 100, more).empty());
  Bench bench;
  bench.now.copy().mutable_inputs(1)->set_content("F2");
  bench.files["F1"] = List({});
  bench.files["F2"] = List(many);
  CHECK(bench.Explain()["COPY . ."] == "COPY . . ran: 50 files added (+f100, +f101, +f102, +f103, +f104 and 45 more)");
}

TEST_CASE("parts: arguments of the build are called so, hidden values are not shown") {
  Bench bench;
  bench.now.run().mutable_parts(1)->set_value("=2");
  bench.now.run().mutable_parts(2)->set_value("=clang");
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: environment variable CC changed (gcc → clang); environment variable VERSION changed (1 → 2)");
  bench.now.build.add_build_arguments("VERSION");
  bench.now.run().mutable_parts(1)->set_hidden(true);
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: environment variable CC changed (gcc → clang); build argument VERSION changed");
  bench.now.run().mutable_parts()->DeleteSubrange(1, 2);
  CHECK(bench.Explain()["RUN make"].find("environment variable CC is gone (was gcc)") != std::string::npos);
}

TEST_CASE("a key that differs in nothing that has a name is said to differ") {
  Bench bench;
  bench.now.run().set_key("another");
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: its definition changed");
}

TEST_CASE("a base image that changed is named by those who build on it, cached or not") {
  Bench bench;
  *bench.now.base().mutable_pins(0) = "sha256:" + std::string(64, 'b');
  bench.now.base().set_key("b");
  auto why = bench.Explain();
  CHECK(why["COPY . ."] == "COPY . . ran: base image alpine changed: digest sha256:aaaaaaaaaaaa → sha256:bbbbbbbbbbbb");
  CHECK(why["RUN make"] == "RUN make ran: its input COPY . . ran anew");
}

TEST_CASE("another instruction at the same place is told of; one that differs in arguments alone is the same one") {
  Bench bench;
  bench.now.run().set_name("[3/3] RUN make -j2");
  bench.now.run().set_identity("RUN make -j2");
  bench.now.run().mutable_parts(0)->set_value("/bin/sh -c make -j2");
  CHECK(bench.Explain()["RUN make -j2"] == "RUN make -j2 ran: its instruction changed (was RUN make)");
  bench.now.run().mutable_parts(0)->set_value("/bin/sh -c make");
  bench.now.run().mutable_parts(1)->set_value("=2");
  CHECK(bench.Explain()["RUN make -j2"] == "RUN make -j2 ran: environment variable VERSION changed (1 → 2)");
}

TEST_CASE("nothing changed: the record was pruned, failed before, or nobody knows") {
  Bench bench;
  bench.before.run().add_results("R");
  CHECK(bench.Explain()["COPY . ."] == "COPY . . ran: nothing of it changed, but the cache has no record of it");
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: its input COPY . . ran anew");
  bench.removed["R"] = 12 * 3600 * kSecond + 4 * 60 * kSecond;
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: record was pruned at 1970-01-01 12:04");
  bench.removed.clear();
  bench.before.run().set_outcome(Step::FAILED);
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: it did not end well before");
  bench.now.run().set_ignore_cache(true);
  CHECK(bench.Explain()["RUN make"] == "RUN make ran: it was told not to use the cache");
}

TEST_CASE("a step is compared with builds of the same thing first") {
  Bench bench;
  Sample other("other", "F9");
  other.build.mutable_steps()->DeleteSubrange(0, 2);
  other.build.mutable_steps()->DeleteSubrange(1, 1);  // COPY . . alone is the same
  for (int i = 0; i < 5; i++) other.Add("exec", StrCat("[5/9] RUN other ", i));
  bench.others.push_back(other.build);
  CHECK(bench.Explain()["COPY . ."] == "COPY . . ran: nothing of it changed, but the cache has no record of it");
  bench.before.build.clear_steps();
  CHECK(bench.Explain()["COPY . ."].find("files that it reads changed") != std::string::npos);
}

TEST_CASE("contents that the last build did not need to know are those of an older one") {
  Bench bench;
  bench.others.push_back(bench.before.build);  // newest
  bench.others[0].mutable_steps(2)->mutable_inputs(1)->clear_content();
  bench.now.copy().mutable_inputs(1)->set_content("F2");
  CHECK(bench.Explain()["COPY . ."] == "COPY . . ran: files that it reads changed");
}

TEST_CASE("parts of an exec: secrets as digests, bounded") {
  pb::Op op;
  pb::Meta* meta = op.mutable_exec()->mutable_meta();
  meta->add_args("make");
  meta->add_env("API_TOKEN=hunter2");
  meta->add_env("LONG=" + std::string(5000, 'x'));
  meta->add_env("NAME=plain");
  pb::Mount* mount = op.mutable_exec()->add_mounts();
  mount->set_dest("/root/.netrc");
  mount->set_mounttype(pb::SECRET);
  Step step;
  AddParts(op, step);
  std::map<std::string, v1::Part> parts;
  for (const v1::Part& part : step.parts()) parts[part.name()] = part;
  CHECK(parts["command"].value() == "make");
  CHECK(parts["environment variable NAME"].value() == "=plain");
  CHECK(parts["environment variable API_TOKEN"].hidden());
  CHECK(step.SerializeAsString().find("hunter2") == std::string::npos);
  CHECK(parts["environment variable LONG"].value().size() == 32);
  CHECK(parts.contains("mount /root/.netrc (secret)"));
  for (int i = 0; i < 1000; i++) meta->add_env(StrCat("V", i, "=1"));
  step.clear_parts();
  AddParts(op, step);
  CHECK(step.parts_size() == static_cast<int>(kMaxParts));
}
