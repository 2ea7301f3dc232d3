"""The page when servers, gateways and connections break. Run through ctest; VIDEODIFFCR_SCREENSHOTS as browser_test.py."""
import unittest

import programs
from page_fixture import RED, PageFixture, finish, picture, start
from relay import Relay


class BreaksTest(PageFixture):
    def test_a_lost_server_shows_a_message_and_comes_back(self):
        server = programs.start_server()
        gateway = programs.Gateway([server])
        try:
            page = self.new_page(gateway.url)
            page.wait("document.getElementById('server').dataset.state === 'ready'")
            start(page, RED)
            server.process.kill()
            page.wait("!document.getElementById('notice').hidden && "
                      "document.getElementById('server').dataset.state === 'lost'")
            picture(page, "page_lost")
            server.stop()
            server = programs.start_server(port=server.port)
            page.wait("document.getElementById('server').dataset.state === 'ready' && "
                      "document.getElementById('notice').hidden")
            start(page, RED)
            finish(page)
        finally:
            gateway.stop()
            server.stop()

    def test_where_a_server_is_killed_another_goes_on_and_the_page_says_so_and_plays_on(self):
        servers = [programs.start_server(), programs.start_server()]
        gateway = programs.Gateway(servers)
        try:
            page = self.new_page(gateway.url)
            page.wait("document.getElementById('server').dataset.state === 'ready'")
            start(page, RED)
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
            finish(page)
        finally:
            gateway.stop()
            for server in servers:
                server.stop()

    def test_a_connection_that_breaks_is_made_again_and_not_a_byte_is_missing(self):
        relay = Relay(f"127.0.0.1:{self.gateway.port}")
        self.addCleanup(relay.close)
        page = self.new_page(f"http://{relay.address}")
        page.wait("document.getElementById('server').dataset.state === 'ready'")
        start(page, RED)
        page.wait("document.getElementById('video').currentTime > 1")
        relay.cut(until_mended=True)
        page.wait("!document.getElementById('notice').hidden")
        time = page.run("document.getElementById('video').currentTime")
        relay.mend()
        page.wait(f"document.getElementById('notice').hidden && document.getElementById('video').currentTime > {time} + 4")
        self.assertEqual(page.run("videodiffcr.state.live.player.jumps"), 0)
        finish(page)
        page.wait("videodiffcr.state.live.player.ended")
        saved = bytes(page.run("videodiffcr.state.live.player.file().arrayBuffer()"
                               ".then((buffer) => [...new Uint8Array(buffer)])"))
        link = "/live/" + page.run("videodiffcr.state.live.id") + "/video.mp4"
        self.assertEqual(saved, self.gateway.open(link).read())

    def test_a_gateway_that_has_forgotten_the_session_ends_it_on_the_page(self):
        gateway = programs.Gateway([self.server])
        page = self.new_page(gateway.url)
        page.wait("document.getElementById('server').dataset.state === 'ready'")
        start(page, RED)
        port = gateway.port
        gateway.stop()
        page.wait("/The gateway does not answer/.test(document.getElementById('notice').textContent)")
        gateway = programs.Gateway([self.server], port=port)
        self.addCleanup(gateway.stop)
        page.wait("videodiffcr.state.live.over && /no live session/.test(document.getElementById('log').textContent)")
        self.assertTrue(page.run("document.getElementById('pause').disabled"))
        start(page, RED)
        self.assertTrue(page.run("document.getElementById('notice').hidden"))
        finish(page)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
