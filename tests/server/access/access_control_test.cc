#include "server/access/access_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/server/access/made_certificate.h"

namespace videodiffcr {
namespace {

// As long as it is there the process opens no file.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none = {0, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_ = {};
};

class AccessControlTest : public testing::Test {
 protected:
  AccessControlTest() : path_(absl::StrCat(testing::TempDir(), "access_control_", getpid())) {}
  ~AccessControlTest() override { unlink(path_.c_str()); }

  // A file with one tenant of this name and one token, whose text is returned.
  std::string WriteTenant(const std::string& name, std::optional<int64_t> max_sessions = {}) {
    const NewToken token = *MakeToken("2026-11-27");
    TenantEntry tenant{name, {}, {token.stored}};
    tenant.limits.max_sessions = max_sessions;
    EXPECT_TRUE(WriteTenants(path_, {tenant}).ok());
    return token.text;
  }

  const std::string path_;
};

TEST_F(AccessControlTest, ATokenNamesItsTenantAndWhatIsNoneOrWrongIsAnsweredWithTheSameWords) {
  const std::string token = WriteTenant("acme");
  const auto control = *AccessControl::Create(path_);
  EXPECT_EQ((*control->Authenticate(absl::StrCat("Bearer ", token)))->name(), "acme");
  EXPECT_EQ((*control->Authenticate(absl::StrCat("bearer ", token)))->name(), "acme") << "the scheme's case is free";
  const absl::Status none = control->Authenticate("").status();
  EXPECT_TRUE(absl::IsUnauthenticated(none));
  std::string wrong = token;
  wrong.back() = wrong.back() == 'A' ? 'E' : 'A';
  const std::string foreign = MakeToken("2026-11-27")->text;
  for (const std::string& other : {token, absl::StrCat("Bearer ", wrong), absl::StrCat("Bearer ", foreign),
                                   absl::StrCat("Basic ", token), std::string("Bearer ")}) {
    EXPECT_EQ(control->Authenticate(other).status(), none);
  }
}

TEST_F(AccessControlTest, AChangedFileIsReadAgainAndTenantsKeepTheirSessions) {
  const std::string old_token = WriteTenant("acme", 1);
  const auto control = *AccessControl::Create(path_);
  const std::shared_ptr<Tenant> tenant = *control->Authenticate(absl::StrCat("Bearer ", old_token));
  ASSERT_FALSE(tenant->EnterSession().has_value());
  const std::string new_token = WriteTenant("acme", 1);
  ASSERT_TRUE(control->ReloadIfChanged().ok());
  EXPECT_FALSE(control->Authenticate(absl::StrCat("Bearer ", old_token)).ok());
  EXPECT_TRUE((*control->Authenticate(absl::StrCat("Bearer ", new_token)))->EnterSession().has_value())
      << "the session that runs still counts";
}

TEST_F(AccessControlTest, AFileThatIsWrongOrGoneChangesNothingAndIsToldOnce) {
  const std::string token = WriteTenant("acme");
  const auto control = *AccessControl::Create(path_);
  ReplaceFile(path_, "half a fi");
  EXPECT_FALSE(control->ReloadIfChanged().ok());
  EXPECT_TRUE(control->ReloadIfChanged().ok()) << "told once";
  EXPECT_TRUE(control->Authenticate(absl::StrCat("Bearer ", token)).ok());
  const std::string new_token = WriteTenant("acme");
  EXPECT_TRUE(control->ReloadIfChanged().ok());
  EXPECT_TRUE(control->Authenticate(absl::StrCat("Bearer ", new_token)).ok());
  EXPECT_FALSE(control->Authenticate(absl::StrCat("Bearer ", token)).ok());
  unlink(path_.c_str());
  EXPECT_FALSE(control->ReloadIfChanged().ok());
  EXPECT_TRUE(control->Authenticate(absl::StrCat("Bearer ", new_token)).ok());
}

TEST_F(AccessControlTest, AFileThatCouldNotBeReadIsTriedAgainThoughItStaysTheSame) {
  const std::string token = WriteTenant("acme");
  const auto control = *AccessControl::Create(path_);
  WriteTenant("acme");
  {
    const NoDescriptors none_left;
    EXPECT_FALSE(control->ReloadIfChanged().ok());
    EXPECT_TRUE(control->ReloadIfChanged().ok()) << "told once";
  }
  EXPECT_TRUE(control->ReloadIfChanged().ok());
  EXPECT_FALSE(control->Authenticate(absl::StrCat("Bearer ", token)).ok()) << "it was taken back";
}

}  // namespace
}  // namespace videodiffcr
