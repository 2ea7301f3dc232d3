#include "server/access/tokens_command.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "command_line/flag_reader.h"
#include "command_line/program.h"
#include "server/access/tenant_file.h"
#include "server/access/token.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

struct Options {
  std::string file;
  std::vector<std::string> words;
  std::vector<std::function<void(TenantLimits*)>> changes;  // one for each limit that is given
};

void AddFileFlag(Options* options, Command* command) {
  command->AddFlag({"tokens-file", "FILE", "The file, as the server is given it.", "/etc/videodiffcr/tokens.json"},
                   ReadName(&options->file));
  command->AddCheck([options] {
    return options->file.empty() ? absl::InvalidArgumentError("--tokens-file is needed") : absl::OkStatus();
  });
}

// One word behind the flags.
void AddWord(const char* name, const char* help, const char* example, Options* options, Command* command) {
  command->AddWords({name, "", help, example}, &options->words);
  command->AddCheck([options, name] {
    if (options->words.size() == 1) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("one ", name, " is needed, not ", options->words.size()));
  });
}

// A number from `min` to `max`, or "none", which takes the limit away.
template <typename Number>
FlagReader ReadLimit(FlagReader (*read_number)(Number min, Number max, Number* out), Number min, Number max,
                     std::optional<Number> TenantLimits::*limit, Options* options) {
  return {[=](std::string_view value) {
            if (value == "none") {
              options->changes.push_back([=](TenantLimits* limits) { (limits->*limit).reset(); });
              return absl::OkStatus();
            }
            Number number = 0;
            if (absl::Status status = read_number(min, max, &number).read(value); !status.ok()) {
              return absl::InvalidArgumentError(absl::StrCat(status.message(), ", or none"));
            }
            options->changes.push_back([=](TenantLimits* limits) { limits->*limit = number; });
            return absl::OkStatus();
          },
          /*default_text=*/""};
}

void AddLimits(Options* options, Command* command) {
  const auto read_count = [options](std::optional<int64_t> TenantLimits::*limit) {
    return ReadLimit<int64_t>(&ReadInteger, 0, 1'000'000'000, limit, options);
  };
  command->AddFlag({"max-sessions", "N", "Sessions of the tenant at once.", "4"},
                   read_count(&TenantLimits::max_sessions));
  command->AddFlag({"max-waiting-sessions", "N", "Of them, those that wait for a place.", "2"},
                   read_count(&TenantLimits::max_waiting_sessions));
  command->AddFlag({"chunks-per-minute", "N", "Chunks of all its sessions together.", "600"},
                   read_count(&TenantLimits::chunks_per_minute));
  command->AddFlag(
      {"floor", "X", "Budget below which the server never takes its sessions, unless their client does.", "0.8"},
      ReadLimit<double>(&ReadDouble, 0.1, 1.0, &TenantLimits::floor, options));
}

absl::StatusOr<TenantFile> ReadOrBegin(const std::string& path) {
  absl::StatusOr<TenantFile> tenants = ReadTenants(path);
  if (absl::IsNotFound(tenants.status())) return TenantFile();
  return tenants;
}

TenantFile::iterator Find(const std::string& name, TenantFile* tenants) {
  return std::find_if(tenants->begin(), tenants->end(), [&](const auto& each) { return each.name == name; });
}

absl::Status Add(const Options& options, std::ostream& out) {
  const std::string& name = options.words.front();
  if (!IsTenantName(name)) {
    return WrongUsageError(
        absl::StrCat("TENANT is \"", name, "\"; it must be 1 to 63 letters, digits, dashes, dots and underscores"));
  }
  absl::StatusOr<TenantFile> tenants = ReadOrBegin(options.file);
  if (!tenants.ok()) return absl::FailedPreconditionError(tenants.status().message());
  const std::string today = absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone());
  absl::StatusOr<NewToken> token = MakeToken(today);
  if (!token.ok()) return token.status();
  auto tenant = Find(name, &*tenants);
  if (tenant == tenants->end()) tenant = tenants->insert(tenants->end(), TenantEntry{name, {}, {}});
  for (const auto& change : options.changes) change(&tenant->limits);
  tenant->tokens.push_back(std::move(token->stored));
  if (absl::Status status = WriteTenants(options.file, *tenants); !status.ok()) return status;
  return WriteText(token->text + "\n", out);
}

absl::Status Limit(const Options& options) {
  absl::StatusOr<TenantFile> tenants = ReadTenants(options.file);
  if (!tenants.ok()) return absl::FailedPreconditionError(tenants.status().message());
  const std::string& name = options.words.front();
  const auto tenant = Find(name, &*tenants);
  if (tenant == tenants->end()) return absl::NotFoundError(absl::StrCat(options.file, ": has no tenant ", name));
  for (const auto& change : options.changes) change(&tenant->limits);
  return WriteTenants(options.file, *tenants);
}

std::string LimitsOf(const TenantLimits& limits) {
  std::string text;
  const auto add = [&text](const char* name, const auto& value) {
    if (value.has_value()) absl::StrAppend(&text, " ", name, "=", *value);
  };
  add("max_sessions", limits.max_sessions);
  add("max_waiting_sessions", limits.max_waiting_sessions);
  add("chunks_per_minute", limits.chunks_per_minute);
  add("floor", limits.floor);
  return text;
}

absl::Status List(const Options& options, std::ostream& out) {
  const absl::StatusOr<TenantFile> tenants = ReadTenants(options.file);
  if (!tenants.ok()) return absl::FailedPreconditionError(tenants.status().message());
  std::string text;
  for (const TenantEntry& tenant : *tenants) {
    absl::StrAppend(&text, tenant.name, LimitsOf(tenant.limits), "\n");
    for (const StoredToken& token : tenant.tokens) absl::StrAppend(&text, "  ", token.id, " of ", token.added, "\n");
  }
  return WriteText(text, out);
}

absl::Status Remove(const Options& options) {
  absl::StatusOr<TenantFile> tenants = ReadTenants(options.file);
  if (!tenants.ok()) return absl::FailedPreconditionError(tenants.status().message());
  size_t removed = 0;
  for (TenantEntry& tenant : *tenants) {
    removed += std::erase_if(tenant.tokens, [&](const auto& token) { return token.id == options.words.front(); });
  }
  if (removed == 0) return absl::NotFoundError(absl::StrCat(options.file, ": has no token ", options.words.front()));
  return WriteTenants(options.file, *tenants);
}

Subcommand AddSubcommandTo(std::ostream& out) {
  CommandText text = {"add", "makes a token for a tenant and prints it, this once",
                      "The file keeps a salted hash. Limits that are given replace those that the tenant has; a limit "
                      "that is never given does not bind. A running server reads the file again by itself.",
                      "videodiffcr-server tokens add --tokens-file /etc/videodiffcr/tokens.json --max-sessions 4 acme"};
  return {std::move(text), [&out](Command* command) -> std::function<absl::Status()> {
            const auto options = std::make_shared<Options>();
            AddFileFlag(options.get(), command);
            AddLimits(options.get(), command);
            AddWord("TENANT", "Whose token it is.", "acme", options.get(), command);
            return [options, &out] { return Add(*options, out); };
          }};
}

Subcommand LimitSubcommand() {
  CommandText text = {
      "limit", "changes the limits of a tenant, whose tokens stay",
      "Limits that are given replace those that the tenant has; none takes one away. A running server "
      "reads the file again by itself.",
      "videodiffcr-server tokens limit --tokens-file /etc/videodiffcr/tokens.json --max-sessions 8 acme"};
  return {std::move(text), [](Command* command) -> std::function<absl::Status()> {
            const auto options = std::make_shared<Options>();
            AddFileFlag(options.get(), command);
            AddLimits(options.get(), command);
            AddWord("TENANT", "Whose limits they are.", "acme", options.get(), command);
            command->AddCheck([options] {
              return options->changes.empty() ? absl::InvalidArgumentError("no limit is given") : absl::OkStatus();
            });
            return [options] { return Limit(*options); };
          }};
}

Subcommand ListSubcommandTo(std::ostream& out) {
  CommandText text = {"list", "prints tenants, their limits and the ids of their tokens", "",
                      "videodiffcr-server tokens list --tokens-file /etc/videodiffcr/tokens.json"};
  return {std::move(text), [&out](Command* command) -> std::function<absl::Status()> {
            const auto options = std::make_shared<Options>();
            AddFileFlag(options.get(), command);
            return [options, &out] { return List(*options, out); };
          }};
}

Subcommand RemoveSubcommand() {
  CommandText text = {"remove", "takes a token back",
                      "Calls that come with it are refused within a second; sessions that run go on.",
                      "videodiffcr-server tokens remove --tokens-file /etc/videodiffcr/tokens.json 1f2e3d4c"};
  return {std::move(text), [](Command* command) -> std::function<absl::Status()> {
            const auto options = std::make_shared<Options>();
            AddFileFlag(options.get(), command);
            AddWord("ID", "The token's id: the eight digits behind vdcr_.", "1f2e3d4c", options.get(), command);
            return [options] { return Remove(*options); };
          }};
}

}  // namespace

int RunTokensCommand(const std::vector<std::string_view>& arguments, std::ostream& out, std::ostream& errors) {
  const Program program = {{"videodiffcr-server tokens", "keeps the file of who may call", "",
                            "videodiffcr-server tokens add --tokens-file /etc/videodiffcr/tokens.json acme"},
                           {AddSubcommandTo(out), LimitSubcommand(), ListSubcommandTo(out), RemoveSubcommand()}};
  return RunProgram(program, arguments, out, errors);
}

}  // namespace videodiffcr
