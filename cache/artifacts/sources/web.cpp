// Source `url`: one file of weights at an address that the client gives. Nothing is asked before it is fetched.

#include <array>

#include "cache/artifacts/sources/selection.hpp"
#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "cache/artifacts/store/file_names.hpp"

namespace troupe::cache {
namespace {

constexpr std::array<std::string_view, 15> archive_endings = {".zip", ".tar", ".tgz", ".tbz2", ".txz",
                                                              ".gz",  ".bz2", ".xz",  ".zst",  ".lz4",
                                                              ".7z",  ".rar", ".whl", ".mar",  ".cab"};

}  // namespace

result<pull_plan> plan_web(const source_context& in) {
  const auto& given = in.request.model_id;
  if (!in.request.revision.empty()) return fail(error_code::bad_request, "a URL has no revision");
  const auto url = given.substr(0, given.find('#'));
  const auto parsed = parse_url(url);
  if (!parsed) return tl::unexpected(parsed.error());
  if (parsed->credentials)
    return fail(error_code::bad_request, "the URL holds a user name or password", "an address that needs none");
  const auto name = decode(std::string_view(parsed->path).substr(parsed->path.rfind('/') + 1));
  if (!name) return fail(error_code::bad_request, "the URL's path is not well percent-encoded");
  const auto lower = lower_case(*name);
  for (const auto ending : archive_endings)
    if (lower.ends_with(ending))
      return fail(error_code::bad_request, "'" + shown(*name) + "' is an archive: archives are not unpacked",
                  "a URL that ends with one of " + std::string(weights_endings));
  if (!is_weights_name(*name))
    return fail(error_code::bad_request, "'" + shown(*name) + "' is no file of weights",
                "a URL whose path ends with one of " + std::string(weights_endings));
  if (auto ok = check_file_name(*name); !ok) return tl::unexpected(ok.error());
  // A slash that was encoded would make folders of one segment.
  if (name->find('/') != name->npos) return fail(error_code::bad_request, "'" + shown(*name) + "' is no file name");

  pull_plan plan;
  plan.source = source_kind::url;
  plan.model_id = given;
  plan.may_reach = in.settings.allow_private ? reach::anywhere : reach::outside;
  plan.files.emplace_back();
  plan.files.back().path = *name;
  plan.files.back().url = url;
  return plan;
}

}  // namespace troupe::cache
