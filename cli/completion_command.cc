#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/exit_code.h"

namespace eidetic::cli {
namespace {

// A subcommand and what may follow it, read from the parser itself so that it
// cannot go out of date.
struct Completable {
  std::string name;  // empty: the program itself
  std::string description;
  std::vector<std::string> words;
};

std::vector<std::string> OptionsOf(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back(absl::StrCat("--", name));
  }
  return words;
}

std::vector<Completable> Collect(const CLI::App& root) {
  const std::vector<std::string> global = OptionsOf(root);
  std::vector<Completable> all = {{"", "", global}};
  for (const CLI::App* subcommand : root.get_subcommands([](const CLI::App*) { return true; })) {
    Completable entry{subcommand->get_name(), subcommand->get_description(), OptionsOf(*subcommand)};
    for (const CLI::App* inner : subcommand->get_subcommands([](const CLI::App*) { return true; })) {
      entry.words.push_back(inner->get_name());
      for (const std::string& word : OptionsOf(*inner)) {
        if (std::find(entry.words.begin(), entry.words.end(), word) == entry.words.end()) {
          entry.words.push_back(word);
        }
      }
    }
    entry.words.insert(entry.words.end(), global.begin(), global.end());
    all.front().words.push_back(entry.name);
    all.push_back(std::move(entry));
  }
  return all;
}

std::string BashScript(const std::vector<Completable>& all) {
  std::string cases;
  for (size_t i = 1; i < all.size(); ++i) {
    absl::StrAppend(&cases, "      ", all[i].name, ") words='", absl::StrJoin(all[i].words, " "), "' ;;\n");
  }
  return absl::StrCat(
      "_eidetic() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} words='",
      absl::StrJoin(all.front().words, " "),
      "' word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in\n",
      cases,
      "    esac\n"
      "  done\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}\n"
      "complete -o default -F _eidetic eidetic\n");
}

std::string ZshScript(const std::vector<Completable>& all) {
  return absl::StrCat("#compdef eidetic\nautoload -U +X bashcompinit && bashcompinit\n", BashScript(all));
}

std::string FishScript(const std::vector<Completable>& all) {
  std::string script;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string condition =
        i == 0 ? "" : absl::StrCat(" -n '__fish_seen_subcommand_from ", all[i].name, "'");
    if (i > 0) {
      absl::StrAppend(&script, "complete -c eidetic -n __fish_use_subcommand -a ", all[i].name, " -d '",
                      all[i].description, "'\n");
    }
    for (const std::string& word : all[i].words) {
      if (word.starts_with("--")) {
        absl::StrAppend(&script, "complete -c eidetic", condition, " -l ", word.substr(2), "\n");
      } else if (i > 0) {
        absl::StrAppend(&script, "complete -c eidetic", condition, " -a ", word, "\n");
      }
    }
  }
  return script;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Command& command) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  completion->footer(
      "bash:  eidetic completion bash > ~/.local/share/bash-completion/completions/eidetic\n"
      "zsh:   eidetic completion zsh > a folder of $fpath, as _eidetic\n"
      "fish:  eidetic completion fish > ~/.config/fish/completions/eidetic.fish");
  completion->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &command, shell] {
    command.needs_library = false;
    command.run = [&app, shell] {
      const std::vector<Completable> all = Collect(app);
      const std::string script = *shell == "fish"  ? FishScript(all)
                                 : *shell == "zsh" ? ZshScript(all)
                                                   : BashScript(all);
      std::fputs(script.c_str(), stdout);
      return static_cast<int>(kDone);
    };
  });
}

}  // namespace eidetic::cli
