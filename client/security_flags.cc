#include "client/security_flags.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "command_line/flag_reader.h"

namespace videodiffcr {
namespace {

absl::Status CheckSecurity(const ChannelSecurity& security, const std::string& prefix) {
  if (security.tls_certificate.empty() != security.tls_key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", prefix, "tls-certificate and --", prefix, "tls-key go together"));
  }
  const bool tls = security.tls || !security.tls_ca.empty();
  if (!security.tls_certificate.empty() && !tls) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", prefix, "tls-certificate needs --", prefix, "tls or --", prefix, "tls-ca"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddSecurityFlags(ChannelSecurity* security, Command* command, const std::string& prefix) {
  command->BeginGroup("Who we are, and whom we believe");
  command->AddSwitch(prefix + "tls", "Speak TLS, and believe the authorities that this system believes.",
                     &security->tls);
  command->AddFlag({prefix + "tls-ca", "FILE", "Speak TLS, and believe these authorities, in PEM form.", "ca.crt"},
                   ReadString(&security->tls_ca));
  command->AddFlag(
      {prefix + "tls-certificate", "FILE", "The client's own certificate, where servers want one.", "client.crt"},
      ReadString(&security->tls_certificate));
  command->AddFlag({prefix + "tls-key", "FILE", "That certificate's key.", "client.key"},
                   ReadString(&security->tls_key));
  command->AddFlag(
      {prefix + "token-file", "FILE", "Holds the token that the server's operator gave, in one line.", "token"},
      ReadString(&security->token_file));
  command->AddCheck([security, prefix] { return CheckSecurity(*security, prefix); });
}

}  // namespace videodiffcr
