"""Tests of tools/check_citations.py, on small trees of made-up sources and pages."""
import unittest

import small_tree

RULES = "rules" + ".md"  # put together here: the check reads this file too
OTHER = "other" + ".md"
SECTION = "section"
PAGE = "# Rules\n\n## 1. One\n\n## 2. Two\n\n### 2.1 Within two\n\n## 3. Three\n\n## 5. Five\n\n## Appendix A. More\n"


def check(files):
    return small_tree.check("check_citations.py", files)


class CheckCitationsTest(unittest.TestCase):
    def passes(self, files):
        self.assertEqual(check({f"docs/reference/{RULES}": PAGE, **files}), (0, ""))

    def fails(self, files, message):
        status, output = check({f"docs/reference/{RULES}": PAGE, **files})
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)
        self.assertEqual(output.count("\n"), 1, output)

    def test_a_page_in_docs_in_reference_or_beside_the_file_may_be_cited(self):
        self.passes({
            f"docs/{OTHER}": "",
            "model/a.h": f"// {RULES} sections 1, 2.1 and 3; docs/{OTHER}; {RULES} appendix A.\n",
            "model/README.md": f"see `{RULES}` {SECTION} 2\n",
            "scheduler/README.md": "",
            "scheduler/a.py": "# README.md says how\n",
        })

    def test_a_page_that_is_nowhere_is_named_with_file_and_line(self):
        self.fails({"model/a.h": f"// One line.\n// By {OTHER}.\n"}, f"model/a.h:2: {OTHER} is neither in docs/ nor beside")

    def test_a_section_that_the_page_has_not_is_named(self):
        for numbers in ("section 4", "section 2.2", "sections 1 and 4", "sections 3 to 5", "appendix B", "sections 2.1, 2.2"):
            with self.subTest(numbers):
                self.fails({"CMakeLists.txt": f"# {RULES} {numbers}.\n"}, f"CMakeLists.txt:1: docs/reference/{RULES} has no section")

    def test_a_citation_may_go_on_in_the_next_line_of_a_comment(self):
        self.passes({"model/a.cu": f"// As {RULES}\n// {SECTION} 2.1 says ({RULES} sections 1\n// and 3).\n"})
        self.fails({"model/a.cu": f"// As {RULES}\n// {SECTION} 7 says.\n"}, "model/a.cu:1")
        self.fails({"tools/a.sh": f"# As {RULES} sections 1 and\n# 7 say.\n"}, "tools/a.sh:1")

    def test_a_section_without_a_page_is_one_of_the_only_page_that_the_file_cites(self):
        self.passes({"model/a.h": f"// {RULES} {SECTION} 1.\n// Rows: {SECTION} 2.1.\n"})
        self.fails({"model/a.h": f"// {RULES} {SECTION} 1.\n// Rows: {SECTION} 9.\n"}, "model/a.h:2")

    def test_a_section_without_a_page_is_doubtful_where_a_file_cites_two(self):
        self.fails({f"docs/{OTHER}": "## 1. Here\n", "model/a.h": f"// {RULES}, {OTHER}.\n// Rows: {SECTION} 1.\n"},
                   "model/a.h:2: section 1: of which page?")

    def test_a_numbered_page_speaks_of_its_own_sections(self):
        self.passes({f"docs/reference/{OTHER}": f"## 1. Here\n\nAs {SECTION} 1 and {RULES} {SECTION} 2.1 say.\n"})
        self.fails({f"docs/reference/{OTHER}": f"## 1. Here\n\nAs {SECTION} 2 says.\n"}, f"docs/reference/{OTHER}:3")

    def test_sections_of_works_that_are_not_here_are_left_alone(self):
        self.passes({"server/a.h": f"// {RULES} {SECTION} 1; RFC 6381 {SECTION} 9.3.\n", "server/b.h": f"// {SECTION} 77\n"})

    def test_links_of_pages_must_lead_somewhere(self):
        self.passes({f"docs/{OTHER}": "[all](reference), [web](https://example.org/a), ![b](images/b.png)\n",
                     "docs/images/b.png": ""})
        self.fails({f"docs/{OTHER}": "\n![b](images/b.png)\n"}, f"docs/{OTHER}:2: link to images/b.png, which is not there")

    def test_a_section_behind_a_link_is_checked(self):
        two = {f"docs/reference/{OTHER}": "## 1. Here\n"}  # so that a section without a page would be doubtful
        self.passes({**two, f"docs/{RULES}": f"[{OTHER}](reference/{OTHER}) {SECTION} 1, [rules](reference/{RULES})\n"})
        self.fails({**two, "docs/a" + ".md": f"[{RULES}](reference/{RULES}) {SECTION} 8, [o](reference/{OTHER})\n"},
                   f"docs/reference/{RULES} has no section 8")

    def test_built_and_hidden_folders_are_not_read(self):
        self.passes({"build/release/a.h": f"// {OTHER}\n", ".git/a.txt": f"{OTHER}\n"})

    def test_this_repository_passes(self):
        self.assertEqual(small_tree.check_repository("check_citations.py"), (0, ""))


if __name__ == "__main__":
    unittest.main()
