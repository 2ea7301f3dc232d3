"""The page in a real Chromium, before the real gateway, the real server and the tiny model. Run through ctest.

    VIDEODIFFCR_SCREENSHOTS=FOLDER   also leaves pictures of the page there; docs/images has them
"""
import os
import pathlib
import unittest

import browser
import programs

PICTURES = os.environ.get("VIDEODIFFCR_SCREENSHOTS")

RED = "a red circle moves right on a navy plain background"
GREEN = "a green circle moves right on a cream plain background"

# The mean colour of the picture that <video id=NAME> shows.
MEAN_COLOUR = """(() => {
  const video = document.getElementById('video');
  const canvas = document.createElement('canvas');
  canvas.width = 40; canvas.height = 24;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 40, 24);
  const data = context.getImageData(0, 0, 40, 24).data;
  const sum = [0, 0, 0];
  for (let i = 0; i < data.length; i += 1) if (i % 4 < 3) sum[i % 4] += data[i];
  return sum.map((value) => value / (data.length / 4));
})()"""

# The pixels at a moment, as text.
PIXELS_AT = """(async (time) => {
  const video = document.getElementById('video');
  video.pause();
  video.currentTime = time;
  await new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
  for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame);
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  return canvas.toDataURL();
})(%s)"""


def pixels(page, time):
    page.call("Page.bringToFront")  # a tab behind another shows nothing new
    return page.run(PIXELS_AT % time)


def picture(page, name, whole=False):
    if PICTURES:
        page.screenshot(pathlib.Path(PICTURES, name + ".png"), whole)


@unittest.skipIf(browser.CHROMIUM is None, "Chromium is not installed (tools/setup.sh --test installs it)")
class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Not one that lets sessions wait and lowers their budgets when it is busy: these tests run on busy machines, too.
        cls.server = programs.start_server("--no-slack-admission", "--no-budget-controller")
        cls.gateway = programs.Gateway([cls.server])
        cls.browser = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.gateway.stop()
        cls.server.stop()

    def new_page(self, url, **size):
        page = self.browser.new_page(url, **size)
        self.addCleanup(page.close)  # a page that plays takes the processor from those behind it
        return page

    def open(self, fragment="", **size):
        page = self.new_page(self.gateway.url + "/" + fragment, **size)
        page.wait("document.getElementById('server').dataset.state === 'ready'")
        return page

    def start(self, page, prompt):
        page.fill("prompt", prompt)
        page.fill("seed", "7")
        page.click("start")
        page.wait("!videodiffcr.state.live?.over && videodiffcr.state.live?.player.playing && "
                  "document.getElementById('video').currentTime > 0.2")

    def finish(self, page):
        page.click("finish")
        page.wait("videodiffcr.state.live.over")

    def test_a_video_plays_for_20_seconds_without_a_stall(self):
        page = self.open()
        self.start(page, RED)
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
        self.finish(page)
        self.assertEqual(page.errors, [])

    def test_a_new_prompt_changes_the_picture_and_the_page_says_from_which_second(self):
        page = self.open()
        self.start(page, RED)
        red, green, blue = page.run(MEAN_COLOUR)
        self.assertGreater(blue, green + 20)  # the background, and a red circle
        self.assertLess(green, 90)
        page.fill("prompt", GREEN)
        page.click("change")
        page.wait("/applied from second [0-9.]+/.test(document.getElementById('log').textContent)")
        page.wait(f"((c) => c[0] > 150 && c[1] > 150 && c[2] > 120)({MEAN_COLOUR})")
        self.assertLess(red, 120)
        self.finish(page)

    def test_a_second_viewer_sees_the_same_frames(self):
        page = self.open()
        self.start(page, RED)
        live = page.run("videodiffcr.state.live.id")
        other = self.open("#live=" + live)
        other.wait("document.getElementById('video').currentTime > 0.2")
        time = other.run("document.getElementById('video').currentTime")
        page.call("Page.bringToFront")  # a tab behind another does not play
        page.wait(f"document.getElementById('video').currentTime > {time} + 0.5")
        for moment in (time, time + 0.3):
            self.assertEqual(pixels(page, moment), pixels(other, moment))
        self.assertNotEqual(pixels(page, time), pixels(page, (time + 0.3)))
        self.finish(page)

    def test_pause_holds_the_picture_and_go_on_lets_it_move(self):
        page = self.open()
        self.start(page, RED)
        page.click("pause")
        page.wait("document.getElementById('video').paused && "
                  "document.getElementById('pause').getAttribute('aria-pressed') === 'true'")
        time = page.run("document.getElementById('video').currentTime")
        page.click("pause")
        page.wait(f"document.getElementById('video').currentTime > {time} + 3")
        self.finish(page)

    def test_the_budget_slider_shows_in_the_retention_and_dense_plays_beside_pruned(self):
        page = self.open()
        page.run("document.getElementById('compare').checked = true")
        page.fill("budget", "0.7")
        self.start(page, RED)
        page.wait("document.getElementById('dense').currentTime > 0.2")
        page.wait("/budget 0.70, executed 0.[67]/.test(document.getElementById('figures').textContent)")
        self.assertEqual(page.run("videodiffcr.state.dense.seed"), page.run("videodiffcr.state.live.seed"))
        page.fill("budget", "0.9")
        page.wait("/Budget 0.90: applied from second/.test(document.getElementById('log').textContent)")
        page.wait("/budget 0.90/.test(document.getElementById('figures').textContent)")
        picture(page, "page_compare", whole=True)
        self.finish(page)

    def test_a_dense_twin_that_waits_for_a_place_is_told_and_plays_when_it_has_one(self):
        server = programs.start_server("--max-sessions=1")
        gateway = programs.Gateway([server])
        try:
            page = self.new_page(gateway.url)
            page.wait("document.getElementById('server').dataset.state === 'ready'")
            page.run("document.getElementById('compare').checked = true")
            self.start(page, RED)
            page.wait("/dense session waits: no place is free/.test(document.getElementById('log').textContent)")
            self.assertEqual(page.text("dense-time"), "waits")
            page.run("videodiffcr.state.live.ask('finish', {})")
            page.wait("document.getElementById('dense').currentTime > 0.2")
            self.assertIn("s a chunk", page.text("dense-time"))
        finally:
            gateway.stop()
            server.stop()

    def test_words_that_the_model_does_not_know_are_told_with_those_it_knows(self):
        page = self.open()
        self.start(page, "a red elephant moves right")
        page.wait("document.getElementById('knows').open && /elephant/.test(document.getElementById('log').textContent)")
        self.assertIn("circle", page.text("vocabulary"))
        self.finish(page)

    def test_what_is_saved_is_a_video_and_a_picture_and_the_link_replays_it(self):
        page = self.open()
        self.start(page, RED)
        page.wait("document.getElementById('video').currentTime > 2")
        self.finish(page)
        page.wait("videodiffcr.state.live.player.ended")
        sizes = page.run("(async () => [videodiffcr.state.live.player.file().size, "
                         "await new Promise((done) => document.getElementById('sheet').toBlob((b) => done(b.size)))])()")
        self.assertGreater(min(sizes), 1000)
        page.click("copy-link")
        page.wait("!document.getElementById('link').hidden")
        replay = self.new_page(page.run("document.getElementById('link').href"))
        replay.wait("document.getElementById('video').currentTime > 1.5")
        self.assertEqual(pixels(replay, 1.0), pixels(page, 1.0))
        self.finish(replay)

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
        self.finish(page)

    def test_it_fits_a_phone_and_the_dark(self):
        page = self.open(width=390, height=844, mobile=True, dark=True, scale=2)
        self.start(page, RED)
        page.wait("document.getElementById('video').currentTime > 3")
        self.assertLessEqual(page.run("document.documentElement.scrollWidth"), 390)
        light = page.run("getComputedStyle(document.body).backgroundColor")
        self.assertEqual(light, "rgb(20, 22, 26)")
        picture(page, "page_phone_dark", whole=True)
        self.finish(page)

    @unittest.skipUnless(PICTURES, "draws the picture of README.md and docs/gateway.md")
    def test_what_the_readme_shows(self):
        page = self.open(height=1120)
        self.start(page, "a large red circle moves right fast on a navy checkered background")
        page.wait("document.getElementById('video').currentTime > 6")
        page.fill("prompt", "a big blue square moves up slowly on a cream striped background")
        page.click("change")
        page.wait("document.getElementById('video').currentTime > 10")
        page.fill("budget", "0.8")
        page.wait("/Budget 0.80: applied from second/.test(document.getElementById('log').textContent)")
        page.wait("document.getElementById('video').currentTime > 14")
        picture(page, "page")
        self.finish(page)

    def test_nothing_is_loaded_from_elsewhere_and_no_rule_of_the_page_is_broken(self):
        page = self.open()
        loaded = page.run("performance.getEntriesByType('resource').map((entry) => entry.name)")
        self.assertTrue(all(name.startswith(self.gateway.url) for name in loaded), loaded)
        self.assertEqual(page.errors, [])

    def test_a_lost_server_shows_a_message_and_comes_back(self):
        server = programs.start_server()
        gateway = programs.Gateway([server])
        try:
            page = self.new_page(gateway.url)
            page.wait("document.getElementById('server').dataset.state === 'ready'")
            self.start(page, RED)
            server.process.kill()
            page.wait("!document.getElementById('notice').hidden && "
                      "document.getElementById('server').dataset.state === 'lost'")
            picture(page, "page_lost")
            server.stop()
            server = programs.start_server(port=server.port)
            page.wait("document.getElementById('server').dataset.state === 'ready' && "
                      "document.getElementById('notice').hidden")
            self.start(page, RED)
            self.finish(page)
        finally:
            gateway.stop()
            server.stop()

    def test_where_a_server_is_killed_another_goes_on_and_the_page_says_so_and_plays_on(self):
        servers = [programs.start_server(), programs.start_server()]
        gateway = programs.Gateway(servers)
        try:
            page = self.new_page(gateway.url)
            page.wait("document.getElementById('server').dataset.state === 'ready'")
            self.start(page, RED)
            page.run("""window.notices = [];
              new MutationObserver(() => notices.push(document.getElementById('notice').textContent))
                .observe(document.getElementById('notice'), { childList: true })""")
            live = page.run("videodiffcr.state.live.id")
            address = gateway.json("/live/" + live)[1]["server"]
            time = page.run("document.getElementById('video').currentTime")
            next(server for server in servers if address.endswith(f":{server.port}")).process.kill()
            page.wait("/Going on at /.test(document.getElementById('log').textContent)")
            page.wait(f"document.getElementById('video').currentTime > {time} + 6")
            self.assertIn("The server went away, going on at another …", page.run("notices"))
            self.assertTrue(page.run("document.getElementById('notice').hidden"))
            self.assertEqual(page.run("videodiffcr.state.live.player.jumps"), 0)
            self.assertFalse(page.run("videodiffcr.state.live.over"))
            self.finish(page)
        finally:
            gateway.stop()
            for server in servers:
                server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
