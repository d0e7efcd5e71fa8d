// The owner's side of xtls-agent for JavaScript: it pairs with devices by PIN, and controls them over
// encrypted sessions. It runs in browsers and in Node 20 or later.
//
//	import { load } from "./owner.mjs";             // after wasm_exec.js of the Go release that built owner.wasm
//	const { Owner } = await load(fetch("owner.wasm"));
//	const owner = await Owner.create({ link, store, name: "phone" });
//	const session = await owner.pair({ device: "box@home.example", pin: async () => prompt("PIN?") });
//	console.log((await session.call("lamp", { state: "on" })).text);
//
// Errors carry a code, for programs, and a message, for people; docs/design/002-wasm.md lists the codes, and says what a link and a
// store must do.

/**
 * @typedef {object} Link  a connection that carries stanzas
 * @property {string} local                         own address: full as bound at a server, bare on a direct link
 * @property {string} [remote]                      bare address of the device at the other end of a direct link
 * @property {() => Promise<string|null>} read      next stanza; null: ended in order; rejects: connection lost
 * @property {(stanza: string) => Promise<void>} write  resolves when there is room for more
 * @property {() => Promise<void>} close            after it read and write must settle
 *
 * @typedef {object} Store  durable files, one of them a private key
 * @property {(name: string) => Promise<Uint8Array|null>} read  null: there is no such file
 * @property {(name: string, bytes: Uint8Array) => Promise<void>} write  resolves when it is durable
 * @property {(name: string) => Promise<void>} remove  as write; a file that is not there is no error
 *
 * @typedef {{jid: string, name: string, fingerprint: string, state: "provisional"|"confirmed", link: "lan"|"server", created: string}} Device
 * @typedef {{text: string, output?: string, exit?: number, failure?: string, note?: string, state?: string, motion?: string, unknown?: string,
 *   fields?: Object<string, string[]>, items?: Object<string, string[]>[]}} Result
 * @typedef {{command: string, state?: string, motion?: "pulsing"|"blinking", unknown?: string}} State  unknown: why it is not known
 * @typedef {string|number|boolean|(string|number|boolean)[]} Value
 */

/**
 * load starts the program.
 * @param {Response|Promise<Response>|BufferSource|WebAssembly.Module} source  owner.wasm
 * @param {{Go?: Function}} [options]  Go: the class of wasm_exec.js, if it is not global
 * @returns {Promise<{Owner: typeof Owner, end: () => Promise<void>}>}  end stops the program; close owners first
 */
export async function load(source, { Go = globalThis.Go } = {}) {
	if (!Go) throw new Error("load wasm_exec.js of the Go release that built owner.wasm first");
	const go = new Go();
	const instance = await instantiate(await source, go.importObject);
	const name = `xtls-agent ${crypto.randomUUID()}`; // global until the program has called it
	let exited;
	try {
		const functions = await new Promise((resolve, reject) => {
			globalThis[name] = resolve;
			go.argv = ["owner.wasm", name];
			exited = go.run(instance);
			exited.then(() => reject(new Error("owner.wasm ended as it started")), reject);
		});
		class BoundOwner extends Owner {
			static create(options) { return create(BoundOwner, functions, options); }
		}
		return { Owner: BoundOwner, end: () => { functions.end(); return exited; } };
	} finally {
		delete globalThis[name];
	}
}

async function instantiate(source, imports) {
	if (source instanceof WebAssembly.Module) return WebAssembly.instantiate(source, imports);
	if (typeof Response !== "undefined" && source instanceof Response) {
		return (await WebAssembly.instantiateStreaming(source, imports)).instance;
	}
	return (await WebAssembly.instantiate(source, imports)).instance;
}

const internal = Symbol("internal"); // keeps constructors to this file

async function create(Class, functions, options) {
	const { number, fingerprint } = await functions.newOwner(options);
	return new Class(internal, functions, number, fingerprint);
}

/** Owner is the owner's side on one link. It serves the link until close. */
export class Owner {
	#functions;
	#number;

	/** @type {string} SHA-256 of this client's certificate, lowercase hex */
	fingerprint;

	constructor(key, functions, number, fingerprint) {
		if (key !== internal) throw new TypeError("use Owner.create of what load returns");
		this.#functions = functions;
		this.#number = number;
		this.fingerprint = fingerprint;
	}

	/**
	 * create takes over the link. The store keeps this client's identity, made at the first time under name, and the devices.
	 * news hears what a device tells unasked, such as that it has a new owner: show it to the person.
	 * @param {{link: Link, store: Store, name?: string, log?: (level: string, text: string) => void,
	 *   news?: (device: string, line: string) => void}} options
	 * @returns {Promise<Owner>}
	 */
	static async create(options) { throw new TypeError("use Owner.create of what load returns"); }

	/**
	 * pair pairs with a device. pin is asked once the device has agreed to pair, and again, with the reason, if what it
	 * returned cannot be a PIN; null gives up. A PIN is good for one try: after "wrong-pin" call pair again, and
	 * have the person look at the display for the new one. Never do so without the person. show is called in the place of pin
	 * by devices on which the PIN is typed: it shows a new one, "1234 5678", and returns at once.
	 * @param {{device?: string, name?: string, pin: (problem?: string) => string|null|Promise<string|null>,
	 *   show?: (pin: string) => void, progress?: (step: string) => void, signal?: AbortSignal}} options  device: bare or full JID; absent on a direct link
	 * @returns {Promise<Session>}  with code: the 6 digits that the device shows too
	 */
	async pair(options) { return new Session(internal, this.#functions, await this.#functions.pair(this.#number, options)); }

	/**
	 * open opens a session with a paired device.
	 * @param {{device?: string, signal?: AbortSignal}} [options]
	 * @returns {Promise<Session>}
	 */
	async open(options) { return new Session(internal, this.#functions, await this.#functions.open(this.#number, options)); }

	/** devices lists the paired devices. @returns {Promise<Device[]>} */
	devices() { return this.#functions.devices(this.#number); }

	/**
	 * forget removes what is kept of a device here; the device itself keeps this owner until it is told.
	 * @param {{jid: string, fingerprint?: string}} device
	 */
	forget(device) { return this.#functions.forget(this.#number, device); }

	/** close ends calls, sessions and link. It may be called more than once. */
	close() { return quietly(this.#functions.closeOwner(this.#number)); }
}

/** Session is an encrypted session with a device, proven on both sides. */
export class Session {
	#functions;
	#number;

	/** @type {Device} */
	device;
	/** @type {string} protocol and cipher suite, for people */
	security;
	/** @type {string|undefined} after pairing: the 6 digits that the device shows too */
	code;
	/** @type {Promise<void>} resolves when the session has ended, whoever ended it */
	closed;

	constructor(key, functions, { number, device, security, code }) {
		if (key !== internal) throw new TypeError("sessions come from Owner.pair and Owner.open");
		this.#functions = functions;
		this.#number = number;
		this.device = device;
		this.security = security;
		this.code = code;
		this.closed = quietly(functions.waitSession(number));
	}

	/**
	 * commands lists what the device offers to this owner.
	 * @param {{signal?: AbortSignal}} [options]
	 * @returns {Promise<{name: string, title: string}[]>}
	 */
	commands({ signal } = {}) { return this.#functions.commands(this.#number, signal); }

	/**
	 * call runs a command to its end. values answer its form; a function is given each form that the command
	 * asks, {title, instructions, fields}, and returns the values, or throws to cancel. That the command itself failed is in the
	 * result; an error says that it could not be run, or, "outcome-unknown", that nobody knows.
	 * @param {string} command
	 * @param {Object<string, Value>|((form: object) => Object<string, Value>|Promise<Object<string, Value>>)} [values]
	 * @param {{signal?: AbortSignal}} [options]
	 * @returns {Promise<Result>}
	 */
	call(command, values, { signal } = {}) { return this.#functions.call(this.#number, command, values, signal); }

	/**
	 * watch gives each state of the device's commands to a function: first what is known, then each change. What the function returns is
	 * waited for; if it is slow it misses what was in between, and never the last.
	 * @param {(state: State) => void|Promise<void>} each
	 * @param {{signal?: AbortSignal}} [options]
	 * @returns {Promise<void>}  resolves when the session has ended; rejects with "aborted" by signal, and with what the function throws
	 */
	watch(each, { signal } = {}) { return this.#functions.watch(this.#number, each, signal); }

	/** close ends the session. It may be called more than once. */
	close() { return quietly(this.#functions.closeSession(this.#number)); }
}

// quietly is for ending what may have ended already.
async function quietly(promise) {
	try {
		await promise;
	} catch (err) {
		if (err.code !== "closed") throw err;
	}
}
