#include "cache/artifacts/sha256.hpp"

#include <algorithm>
#include <new>

#include <openssl/evp.h>

namespace troupe::cache {

namespace {
struct free_context {
  void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
};
}  // namespace

struct sha256::state {
  std::unique_ptr<EVP_MD_CTX, free_context> context{EVP_MD_CTX_new()};
};

sha256::sha256() : state_(std::make_unique<state>()) {
  if (!state_->context || EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
}
sha256::sha256(sha256&&) noexcept = default;
sha256& sha256::operator=(sha256&&) noexcept = default;
sha256::~sha256() = default;

void sha256::add(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) throw std::bad_alloc();
}
void sha256::add(std::string_view text) { add(std::as_bytes(std::span(text))); }

std::array<std::byte, 32> sha256::bytes() const {
  const state copy;
  std::array<std::byte, 32> out{};
  if (EVP_MD_CTX_copy_ex(copy.context.get(), state_->context.get()) != 1 ||
      EVP_DigestFinal_ex(copy.context.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

std::string sha256::hex() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (const auto b : bytes()) {
    out += digits[std::to_integer<unsigned>(b) >> 4];
    out += digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

bool is_sha256_hex(std::string_view text) noexcept {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace troupe::cache
