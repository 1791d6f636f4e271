// Retained trees and the views that Commit makes of them (see Record::twin).
#include "base/id.h"
#include "daemon/cache/manager.h"
#include "daemon/cache/refs.h"

namespace bk::cache {

absl::StatusOr<ImmutablePtr> Manager::Commit(const RecordPtr& record) {
  if (!record->retained) {
    meta::Statement row = table_.With([&](Table&) {
      record->state = RecordState::kCommitted;  // nobody else can see it yet: Get asks for has_row
      return InsertStatement(*record);
    });
    BK_RETURN_IF_ERROR(db_->Run(row.sql, row.values));
    table_.With([&](Table&) {
      record->has_row = true;
      record->doomed = false;
    });
    return MakeImmutable(record);
  }
  auto view = std::make_shared<Record>();
  view->id = NewId();
  view->snapshot = record->snapshot.load();
  view->state = RecordState::kCommitted;
  view->created_ns = solver::NowNs();
  view->twin = record->id;
  view->has_row = true;
  view->handles = 1;
  meta::Statement row;
  table_.With([&](Table& table) {
    view->parent = record->parent;
    view->type = record->type;
    view->description = record->description;
    if (view->parent != nullptr) view->parent->children++;
    record->twin = view->id;
    row = InsertStatement(*view);
    Insert(table, view);
  });
  ImmutablePtr ref = Adopt(view);
  BK_RETURN_IF_ERROR(db_->Write({row, {"UPDATE records SET twin=? WHERE id=?", {view->id, record->id}}}));
  return ref;
}

absl::Status Manager::Finalize(const RecordPtr& record) {
  BK_TRY(Permit turn, record->work.Acquire(CancelToken::Never()));
  RecordPtr tree = table_.With([&](Table& table) { return Find(table, record->twin); });
  if (tree == nullptr) return absl::OkStatus();
  BK_RETURN_IF_ERROR(db_->Write({{"DELETE FROM records WHERE id=?", {tree->id}},
                                 {"DELETE FROM record_values WHERE id=?", {tree->id}},
                                 {"UPDATE records SET twin='' WHERE id=?", {record->id}},
                                 {"UPDATE OR REPLACE content_hashes SET id=? WHERE id=?", {record->id, tree->id}}}));
  table_.With([&](Table& table) {
    Removal ignored;
    record->twin.clear();
    Take(table, tree, true, ignored);
  });
  hashes_.Move(tree->id, record->id);
  return absl::OkStatus();
}

std::string Manager::HashOwner(const RecordPtr& record) {
  return table_.With([&](Table&) { return record->twin.empty() || record->state == RecordState::kMutable ? record->id : record->twin; });
}

absl::StatusOr<MutablePtr> Manager::GetMutable(const CancelToken& cancel, const std::string& id) {
  BK_RETURN_IF_ERROR(cancel.Check());
  RecordPtr record;
  Removal removal;
  absl::Status status = table_.With([&](Table& table) -> absl::Status {
    RecordPtr found = Find(table, id);
    if (found == nullptr || found->state != RecordState::kMutable || found->doomed) return NotFound("cache record ", id, ": not found");
    RecordPtr view = Find(table, found->twin);
    if (found->handles > 0 || (view != nullptr && !Detach(table, view, removal))) return FailedPrecondition("cache record ", id, ": locked");
    record = found;
    record->handles++;
    record->size_bytes = -1;
    return absl::OkStatus();
  });
  BK_RETURN_IF_ERROR(status);
  auto handle = std::make_unique<MutableHandle>(this, record);
  // The view's row must be gone before its tree changes.
  BK_RETURN_IF_ERROR(Remove(removal));
  return handle;
}

}  // namespace bk::cache
