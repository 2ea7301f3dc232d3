#include "server/rpc/session_token.h"

#include <gtest/gtest.h>

#include <string>

namespace videodiffcr {
namespace {

const SessionTokens kTokens(std::string(32, 'k'));

std::optional<std::string> SessionOf(const std::string& token) {
  return kTokens.SessionOf(TokenKind::kControl, token, "acme");
}

TEST(SessionTokenTest, ATokenNamesItsSession) {
  const std::string token = kTokens.Make(TokenKind::kControl, "session-12ab", "acme");
  EXPECT_EQ(SessionOf(token), "session-12ab");
  EXPECT_EQ(token.size(), std::string("session-12ab.").size() + 64);
}

TEST(SessionTokenTest, ATokenIsAKeyedHashOfItsKindItsSessionAndItsTenant) {
  EXPECT_EQ(kTokens.Make(TokenKind::kControl, "session-12ab", "acme"),
            "session-12ab.7b98bfa2339ebd772ab14ae21eac5342d8ed5cf4e828995ddbaf932c20ab69b6");
  EXPECT_EQ(kTokens.Make(TokenKind::kWatch, "session-12ab", ""),
            "session-12ab.2561632a95116016a0e429ea26a15db76ccff02a54209887038c8de1c5c63187");
}

TEST(SessionTokenTest, AnyChangedCharacterMakesItNobodys) {
  const std::string token = kTokens.Make(TokenKind::kControl, "session-12ab", "acme");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_FALSE(SessionOf(changed).has_value()) << "character " << i;
  }
  EXPECT_FALSE(SessionOf(token + "0").has_value());
  EXPECT_FALSE(SessionOf(token.substr(0, token.size() - 1)).has_value());
  EXPECT_FALSE(SessionOf("").has_value());
  EXPECT_FALSE(SessionOf(std::string(1000, 'x') + "." + std::string(64, '0')).has_value());
}

TEST(SessionTokenTest, AnotherServersTokenIsNobodys) {
  const SessionTokens other(std::string(32, 'o'));
  EXPECT_FALSE(SessionOf(other.Make(TokenKind::kControl, "session-12ab", "acme")).has_value());
}

TEST(SessionTokenTest, AnotherTenantsTokenIsNobodys) {
  for (const char* tenant : {"", "other", "acme2"}) {
    EXPECT_FALSE(SessionOf(kTokens.Make(TokenKind::kControl, "session-12ab", tenant)).has_value()) << tenant;
  }
}

TEST(SessionTokenTest, ATokenBeginsWithWhatLeadsToItsServer) {
  SessionTokens tokens(std::string(32, 'k'));
  tokens.SetRoute("MTA6MQ==");
  const std::string token = tokens.Make(TokenKind::kWatch, "session-12ab", "");
  EXPECT_EQ(token.substr(0, token.rfind('.')), "MTA6MQ==.session-12ab");
  EXPECT_EQ(tokens.SessionOf(TokenKind::kWatch, token, ""), "session-12ab");
  EXPECT_FALSE(tokens.SessionOf(TokenKind::kWatch, token.substr(token.find('.') + 1), "").has_value());
  EXPECT_FALSE(tokens.IsOfAnotherServer(token));
}

TEST(SessionTokenTest, ATokenThatLeadsElsewhereIsToldFromOneThatLeadsNowhere) {
  SessionTokens here(std::string(32, 'k'));
  SessionTokens there(std::string(32, 't'));
  here.SetRoute("aGVyZQ==");
  there.SetRoute("dGhlcmU=");
  const std::string token = there.Make(TokenKind::kControl, "session-12ab", "acme");
  EXPECT_FALSE(here.SessionOf(TokenKind::kControl, token, "acme").has_value());
  EXPECT_TRUE(here.IsOfAnotherServer(token));
  EXPECT_TRUE(kTokens.IsOfAnotherServer(token));  // of a server that has no route
  for (const std::string& other :
       {std::string(), std::string(".."), kTokens.Make(TokenKind::kControl, "session-12ab", "acme"), "more." + token,
        "." + token.substr(token.find('.') + 1), token + "0", std::string(1000, 'x') + token}) {
    EXPECT_FALSE(here.IsOfAnotherServer(other)) << other;
  }
}

TEST(SessionTokenTest, KeysAreRandom) {
  const absl::StatusOr<std::string> one = SessionTokens::RandomKey();
  const absl::StatusOr<std::string> other = SessionTokens::RandomKey();
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(one->size(), 32u);
  EXPECT_NE(*one, *other);
}

}  // namespace
}  // namespace videodiffcr
