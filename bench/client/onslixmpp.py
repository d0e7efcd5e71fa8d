# A client on slixmpp that stays online: stream management (XEP-0198) on, all else as the library has it. client.go says what it reads and prints.
import asyncio
import json
import sys

import slixmpp
import slixmpp.version


class Client(slixmpp.ClientXMPP):
    def __init__(self, account):
        super().__init__(account["jid"], account["password"])
        self.account = account
        self.ca_certs = account["ca"]
        self.register_plugin("xep_0198")
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("session_resumed", self.resumed)
        self.add_event_handler("disconnected", self.lost)

    def dial(self):
        self.connect((self.account["host"], self.account["port"]), use_ssl=True)

    async def started(self, _):
        self.send_presence()
        await self.ask(False)

    async def resumed(self, _):
        await self.ask(True)

    def lost(self, _):
        self.dial()  # the library reconnects when it is told to

    async def ask(self, resumed):
        if self.account["to"]:
            await self["xep_0199"].send_ping(self.account["to"])
        print(json.dumps({"resumed": resumed}), flush=True)


async def main():
    client = Client(json.loads(sys.stdin.readline()))
    client.dial()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # its end is ours


if sys.argv[1:] == ["--version"]:
    print(slixmpp.version.__version__)
else:
    asyncio.run(main())
