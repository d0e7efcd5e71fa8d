// node device.mjs WASM_EXEC OWNER_WASM HOST:PORT STORE PART: plays an owner against a device, for node_linux_test.go. It
// writes what happens as lines of JSON, and reads a line where it asks for something.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { load } from "../owner.mjs";
import { folder } from "./folder.mjs";
import { lanLink } from "./lan.mjs";

const [wasmExec, wasm, address, storePath, part] = process.argv.slice(2);
createRequire(import.meta.url)(wasmExec);

const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));
const typed = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const askFor = async (event, more) => { tell(event, more); return (await typed.next()).value; };

// refused tells with which code something fails; that it must not succeed.
async function refused(what, promise) {
	try {
		await promise;
	} catch (err) {
		tell("refused", { what, code: err.code, message: err.message });
		return err;
	}
	throw new Error(`${what} succeeded`);
}

const started = performance.now();
const { Owner, end } = await load(await readFile(wasm));
tell("loaded", { ms: Math.round(performance.now() - started) });
const [host, port] = address.split(":");
const link = await lanLink(host, Number(port), "romeo@browser");
const owner = await Owner.create({
	link, store: folder(storePath), name: "browser",
	log: (level, text) => { if (process.env.XTLS_TEST_LOG) console.error(level, text); },
});
tell("owner", { fingerprint: owner.fingerprint, devices: await owner.devices() });

const pin = (problem) => askFor("pin", { problem });
const progress = (step) => tell("step", { step });
const parts = {
	async wrong() {
		await refused("open before pairing", owner.open());
		await refused("pair without pin()", owner.pair({}));
		await refused("pair with somebody else", owner.pair({ device: "mallory@evil.example", pin }));
		await refused("give up", owner.pair({ pin: () => null }));
		const boom = new Error("boom");
		const err = await refused("pin() throws", owner.pair({ pin: () => { throw boom; } }));
		tell("cause", { same: err.cause === boom });
		let closing;
		await refused("close while asked", owner.pair({ pin: () => { closing = owner.close(); return new Promise(() => {}); } }));
		await closing;
	},
	async pair() {
		await refused("wrong PIN", owner.pair({ pin, progress }));
		tell("devices", { devices: await owner.devices() });
		const before = performance.now();
		const first = await owner.pair({ name: "box", pin, progress });
		tell("paired", { code: first.code, security: first.security, device: first.device, ms: Math.round(performance.now() - before) });
		tell("called", await first.call("lamp", { state: "on" }));
		await first.close();
		await first.closed;
		await second();
	},
	async typed() {
		await refused("no show()", owner.pair({ pin }));
		const show = (text) => tell("show", { text });
		await refused("wrong PIN", owner.pair({ pin, show }));
		const session = await owner.pair({ pin, show });
		tell("paired", { code: session.code, security: session.security, device: session.device });
		await session.close();
	},
	async open() {
		await second();
		const session = await owner.open();
		tell("stop"); // the device goes away
		await session.closed;
		await refused("call on an ended session", session.call("lamp", { state: "on" }));
		await owner.forget({ jid: (await owner.devices())[0].jid });
		tell("devices", { devices: await owner.devices() });
	},
};

async function second() {
	const before = performance.now();
	const session = await owner.open();
	tell("opened", { security: session.security, device: session.device, ms: Math.round(performance.now() - before) });
	tell("commands", { commands: await session.commands() });
	tell("called", await session.call("lamp", (form) => ({ state: form.fields.find((f) => f.name === "state").options[1].value })));
	const seen = [], enough = new AbortController();
	await refused("watch aborted", session.watch((s) => { seen.push(`${s.command} ${s.state}`); if (s.state === "off") enough.abort(); }, { signal: enough.signal }));
	tell("watched", { text: seen.at(-1) });
	await refused("watch without a function", session.watch());
	const boom = new Error("boom");
	await refused("watch that throws", session.watch(() => { throw boom; }));
	await refused("unknown field", session.call("lamp", { colour: "red" }));
	await refused("value that is none", session.call("lamp", { state: { on: true } }));
	await refused("unknown command", session.call("toaster"));
	await refused("aborted before", session.call("lamp", { state: "on" }, { signal: AbortSignal.abort() }));
	const slow = new AbortController();
	await refused("aborted while asked", session.call("lamp", () => { slow.abort(); return new Promise(() => {}); }, { signal: slow.signal }));
	const watching = session.watch(() => {}); // ends with the session
	await session.close();
	await session.close();
	await watching;
	await refused("call on a closed session", session.call("lamp", { state: "on" }));
}

await parts[part]();
await owner.close();
await owner.close();
await refused("open on a closed owner", owner.open());
await end();
tell("end");
process.exit(0); // stdin may still be open
