"""The page in a real Chromium, before the real gateway, the real server and the tiny model. Run through ctest.

    VIDEODIFFCR_SCREENSHOTS=FOLDER   also leaves pictures of the page there; docs/images has them
"""
import unittest

import programs
from page_fixture import GREEN, MEAN_COLOUR, PICTURES, RED, PageFixture, finish, picture, pixels, start


class PageTest(PageFixture):
    def test_a_video_plays_for_20_seconds_without_a_stall(self):
        page = self.open()
        start(page, RED)
        begun = page.run("document.getElementById('video').currentTime")
        stalls = page.run("videodiffcr.state.live.player.stalls")
        wall = page.run("""new Promise((resolve) => {
          const video = document.getElementById('video'), start = performance.now(), from = video.currentTime;
          video.addEventListener('timeupdate', () => {
            if (video.currentTime >= from + 20) resolve((performance.now() - start) / 1000);
          });
        })""")
        self.assertEqual(page.run("videodiffcr.state.live.player.stalls"), stalls, f"from {begun} s on")
        self.assertLess(wall, 21.5)
        self.assertIn("executed 1.000", page.text("figures"))
        self.assertRegex(page.text("server"), "on cpu, 1 active session$")
        finish(page)
        self.assertEqual(page.errors, [])

    def test_a_new_prompt_changes_the_picture_and_the_page_says_from_which_second(self):
        page = self.open()
        start(page, RED)
        red, green, blue = page.run(MEAN_COLOUR)
        self.assertGreater(blue, green + 20)  # the background, and a red circle
        self.assertLess(green, 90)
        page.fill("prompt", GREEN)
        page.click("change")
        page.wait("/applied from second [0-9.]+/.test(document.getElementById('log').textContent)")
        page.wait(f"((c) => c[0] > 150 && c[1] > 150 && c[2] > 120)({MEAN_COLOUR})")
        self.assertLess(red, 120)
        finish(page)

    def test_a_second_viewer_sees_the_same_frames(self):
        page = self.open()
        start(page, RED)
        live = page.run("videodiffcr.state.live.id")
        other = self.open("#live=" + live)
        other.wait("document.getElementById('video').currentTime > 0.2")
        time = other.run("document.getElementById('video').currentTime")
        page.call("Page.bringToFront")  # a tab behind another does not play
        page.wait(f"document.getElementById('video').currentTime > {time} + 0.5")
        for moment in (time, time + 0.3):
            self.assertEqual(pixels(page, moment), pixels(other, moment))
        self.assertNotEqual(pixels(page, time), pixels(page, (time + 0.3)))
        finish(page)

    def test_who_watches_along_sees_a_pause_and_leaves_without_ending_it(self):
        page = self.open()
        start(page, RED)
        live = page.run("videodiffcr.state.live.id")
        other = self.open("#live=" + live)
        other.wait("document.getElementById('video').currentTime > 0.2")
        page.click("pause")
        other.wait("document.getElementById('video').paused && "
                   "document.getElementById('pause').textContent === 'Go on'")
        other.click("pause")
        page.wait("!document.getElementById('video').paused && "
                  "document.getElementById('pause').textContent === 'Pause'")
        start(other, GREEN)
        self.assertEqual(self.gateway.json("/live/" + live)[1]["state"], "running")
        self.assertFalse(page.run("videodiffcr.state.live.over"))
        finish(other)
        page.call("Page.bringToFront")
        finish(page)

    def test_a_link_to_watch_along_plays_what_has_ended_from_its_beginning(self):
        session = self.gateway.live(length_chunks=4)
        self.gateway.open(session["links"]["video"]).read()
        page = self.open("#live=" + session["id"])
        page.wait("videodiffcr.state.live?.player.ended")
        self.assertEqual(page.run("document.getElementById('video').buffered.start(0)"), 0)
        self.assertTrue(page.run("document.getElementById('finish').disabled"))

    def test_pause_holds_the_picture_and_go_on_lets_it_move(self):
        page = self.open()
        start(page, RED)
        page.click("pause")
        page.wait("document.getElementById('video').paused && "
                  "document.getElementById('pause').getAttribute('aria-pressed') === 'true'")
        time = page.run("document.getElementById('video').currentTime")
        page.click("pause")
        page.wait(f"document.getElementById('video').currentTime > {time} + 3")
        finish(page)

    def test_the_budget_slider_shows_in_the_retention_and_dense_plays_beside_pruned(self):
        page = self.open()
        page.run("document.getElementById('compare').checked = true")
        page.fill("budget", "0.7")
        start(page, RED)
        page.wait("document.getElementById('dense').currentTime > 0.2")
        page.wait("/budget 0.70, executed 0.[67]/.test(document.getElementById('figures').textContent)")
        self.assertEqual(page.run("videodiffcr.state.dense.seed"), page.run("videodiffcr.state.live.seed"))
        page.fill("budget", "0.9")
        page.wait("/Budget 0.90: applied from second/.test(document.getElementById('log').textContent)")
        page.wait("/budget 0.90/.test(document.getElementById('figures').textContent)")
        if PICTURES:  # of more than a moment
            page.wait("document.getElementById('video').currentTime > 8")
            picture(page, "page_compare", whole=True)
        finish(page)

    def test_a_dense_twin_that_waits_for_a_place_is_told_and_plays_when_it_has_one(self):
        server = programs.start_server("--max-sessions=1")
        gateway = programs.Gateway([server])
        try:
            page = self.new_page(gateway.url)
            page.wait("document.getElementById('server').dataset.state === 'ready'")
            page.run("document.getElementById('compare').checked = true")
            start(page, RED)
            page.wait("/dense session waits: no place is free/.test(document.getElementById('log').textContent)")
            self.assertEqual(page.text("dense-time"), "waits")
            page.run("videodiffcr.state.live.ask('finish', {})")
            page.wait("document.getElementById('dense').currentTime > 0.2")
            self.assertIn("s a chunk", page.text("dense-time"))
        finally:
            gateway.stop()
            server.stop()

    def test_the_twins_show_the_same_moment(self):
        page = self.open()
        page.run("document.getElementById('compare').checked = true")
        start(page, RED)
        page.wait("document.getElementById('video').currentTime > 1")
        apart = page.run("Math.abs(document.getElementById('video').currentTime - "
                         "document.getElementById('dense').currentTime)")
        self.assertLess(apart, 0.3)
        finish(page)

    def test_words_that_the_model_does_not_know_are_told_with_those_it_knows(self):
        page = self.open()
        start(page, "a red elephant moves right")
        page.wait("document.getElementById('knows').open && /elephant/.test(document.getElementById('log').textContent)")
        self.assertIn("circle", page.text("vocabulary"))
        finish(page)

    def test_what_is_saved_is_a_video_and_a_picture_and_the_link_replays_it(self):
        page = self.open()
        start(page, RED)
        page.wait("document.getElementById('video').currentTime > 2")
        finish(page)
        page.wait("videodiffcr.state.live.player.ended")
        sizes = page.run("(async () => [videodiffcr.state.live.player.file().size, "
                         "await new Promise((done) => document.getElementById('sheet').toBlob((b) => done(b.size)))])()")
        self.assertGreater(min(sizes), 1000)
        page.click("copy-link")
        page.wait("!document.getElementById('link').hidden")
        replay = self.new_page(page.run("document.getElementById('link').href"))
        replay.wait("document.getElementById('video').currentTime > 1.5")
        self.assertEqual(pixels(replay, 1.0), pixels(page, 1.0))
        finish(replay)

    def test_the_keyboard_alone_starts_and_changes_and_everything_has_a_name(self):
        page = self.open()
        page.run("document.getElementById('prompt').focus()")
        page.press("Enter")
        page.wait("document.getElementById('video').currentTime > 0.2")
        page.fill("prompt", GREEN)
        page.run("document.getElementById('prompt').focus()")
        page.press("Enter")
        page.wait("/applied from second/.test(document.getElementById('log').textContent)")
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        for node in nodes:
            role = node.get("role", {}).get("value")
            if role in ("button", "slider", "textbox", "checkbox", "link", "img", "Video") and not node.get("ignored"):
                self.assertTrue(node.get("name", {}).get("value"), node)
        reached = set()
        page.run("document.activeElement.blur()")
        for _ in range(40):
            page.press("Tab")
            reached.add(page.run("document.activeElement.id"))
        self.assertLessEqual({"prompt", "budget", "start", "change", "pause", "finish", "copy-link"}, reached)
        finish(page)

    def test_enter_pressed_twice_starts_one_session_and_a_half_composed_word_none(self):
        page = self.open()
        page.run("""(() => {
          window.asked = 0;
          const fetching = window.fetch;
          window.fetch = (path, options) => { if (path === '/live') asked += 1; return fetching(path, options); };
          const press = (more) => document.getElementById('prompt').dispatchEvent(
            new KeyboardEvent('keydown', { key: 'Enter', cancelable: true, ...more }));
          press({ isComposing: true });
          window.composing = asked;
          press({}); press({});
        })()""")
        page.wait("document.getElementById('video').currentTime > 0.2")
        self.assertEqual(page.run("[composing, asked]"), [0, 1])
        finish(page)

    def test_an_example_plays_at_once_and_a_link_that_holds_no_video_says_so(self):
        page = self.open('#replay={"prompt":7}')
        self.assertEqual(page.text("notice"), "This link holds no video.")
        page.run("document.querySelector('#examples button').click()")
        page.wait("document.getElementById('video').currentTime > 0.2")
        self.assertEqual(page.text("caption"), page.run("document.querySelector('#examples button').textContent"))
        finish(page)

    def test_a_browser_without_media_source_plays_hls_and_saves_what_the_gateway_has(self):
        page = self.open()
        page.run("delete window.MediaSource")
        if not page.run("document.getElementById('video').canPlayType('application/vnd.apple.mpegurl')"):
            self.skipTest("this Chromium plays no HLS")
        start(page, RED)
        page.run("""HTMLAnchorElement.prototype.click = function click() { window.saved = this.href; }""")
        page.click("save-video")
        self.assertEqual(page.run("saved"), self.gateway.url + "/live/" + page.run("videodiffcr.state.live.id") +
                         "/video.mp4?from=0")
        finish(page)
        page.wait("videodiffcr.state.live.player.ended")
        self.assertEqual(page.errors, [])

    def test_segments_are_cut_from_bytes_however_they_come(self):
        page = self.open()
        session = self.gateway.live(length_chunks=3)
        self.gateway.open(session["links"]["video"]).read()
        cut = """(async (size) => {
          const { SegmentReader } = await import('/boxes.js');
          const all = new Uint8Array(await (await fetch('%s')).arrayBuffer());
          const reader = new SegmentReader(), found = [];
          for (let i = 0; i < all.length; i += size) {
            for (const { init, number, bytes } of reader.read(all.subarray(i, i + size))) {
              found.push([init, number, bytes.length]);
            }
          }
          return [found, found.reduce((sum, [, , length]) => sum + length, 0) === all.length];
        })""" % session["links"]["video"]
        whole = page.run(cut + "(1e9)")
        self.assertTrue(whole[1])
        self.assertEqual([entry[:2] for entry in whole[0]], [[True, None], [False, 0], [False, 1], [False, 2]])
        for size in (1, 7, 4096):
            self.assertEqual(page.run(cut + f"({size})"), whole)

    def test_it_fits_a_phone_and_the_dark(self):
        page = self.open(width=390, height=844, mobile=True, dark=True, scale=2)
        start(page, RED)
        page.wait("document.getElementById('video').currentTime > 3")
        self.assertLessEqual(page.run("document.documentElement.scrollWidth"), 390)
        light = page.run("getComputedStyle(document.body).backgroundColor")
        self.assertEqual(light, "rgb(20, 22, 26)")
        picture(page, "page_phone_dark", whole=True)
        finish(page)

    @unittest.skipUnless(PICTURES, "draws the picture of README.md and docs/gateway.md")
    def test_what_the_readme_shows(self):
        page = self.open(height=1120)
        start(page, "a large red circle moves right fast on a navy checkered background")
        page.wait("document.getElementById('video').currentTime > 6")
        page.fill("prompt", "a big blue square moves up slowly on a cream striped background")
        page.click("change")
        page.wait("document.getElementById('video').currentTime > 10")
        page.fill("budget", "0.8")
        page.wait("/Budget 0.80: applied from second/.test(document.getElementById('log').textContent)")
        page.wait("document.getElementById('video').currentTime > 14")
        picture(page, "page", whole=True)
        finish(page)

    def test_nothing_is_loaded_from_elsewhere_and_no_rule_of_the_page_is_broken(self):
        page = self.open()
        loaded = page.run("performance.getEntriesByType('resource').map((entry) => entry.name)")
        self.assertTrue(all(name.startswith(self.gateway.url) for name in loaded), loaded)
        self.assertEqual(page.errors, [])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
