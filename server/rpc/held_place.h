// A place with whoever counts them, given back once.
#ifndef VIDEODIFFCR_SERVER_RPC_HELD_PLACE_H_
#define VIDEODIFFCR_SERVER_RPC_HELD_PLACE_H_

#include <tuple>
#include <utility>

namespace videodiffcr {

// Calls Leave(key...) of `keeper` on Release() or when this object goes, whichever is first; `keeper` outlives it. A
// place that was moved from, or made without a keeper, gives nothing back. One thread at a time.
template <typename Keeper, typename... Key>
class HeldPlace {
 public:
  HeldPlace() = default;
  explicit HeldPlace(Keeper* keeper, Key... key) : keeper_(keeper), key_(std::move(key)...) {}
  HeldPlace(HeldPlace&& other) noexcept { *this = std::move(other); }
  HeldPlace& operator=(HeldPlace&& other) noexcept {
    std::swap(keeper_, other.keeper_);
    std::swap(key_, other.key_);
    return *this;
  }
  ~HeldPlace() { Release(); }
  // Gives the place back now.
  void Release() {
    Keeper* const keeper = std::exchange(keeper_, nullptr);
    if (keeper == nullptr) return;
    std::apply([keeper](const Key&... key) { keeper->Leave(key...); }, key_);
  }

 private:
  Keeper* keeper_ = nullptr;
  std::tuple<Key...> key_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_HELD_PLACE_H_
