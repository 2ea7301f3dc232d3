"""The page in a real Chromium, before the real gateway, the real server and the tiny model: what tests of it share."""
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


def start(page, prompt):
    page.fill("prompt", prompt)
    page.fill("seed", "7")
    page.click("start")
    page.wait("!videodiffcr.state.live?.over && videodiffcr.state.live?.player.playing && "
              "document.getElementById('video').currentTime > 0.2")


def finish(page):
    page.click("finish")
    page.wait("videodiffcr.state.live.over")


@unittest.skipIf(browser.CHROMIUM is None, "Chromium is not installed (tools/setup.sh --test installs it)")
class PageFixture(unittest.TestCase):
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
