// A direct link to a device over TCP (XEP-0174), made in JavaScript: what a web page would do with the connection of its XMPP
// library, this does with a socket of Node.
import { connect } from "node:net";
import { once } from "node:events";

const declaration = "<?xml version='1.0'?>";

/** lanLink resolves to a link for Owner.create. */
export async function lanLink(host, port, local) {
	const socket = connect({ host, port, noDelay: true });
	socket.setEncoding("utf8");
	await once(socket, "connect");
	socket.write(`${declaration}<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='${local}' version='1.0'>`);
	const parts = elements(socket);
	const header = (await parts.next()).value;
	const remote = /\sfrom='([^']+)'/.exec(header)[1];
	return {
		local, remote,
		async read() {
			for (;;) {
				const { value, done } = await parts.next();
				if (done) throw new Error("the connection ended without an end of the stream");
				if (value === "</stream:stream>") return null;
				if (!/^<(\w+:)?features[\s/>]/.test(value)) return value;
			}
		},
		async write(stanza) {
			if (!socket.write(stanza)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
			if (socket.destroyed) throw new Error("the connection is closed");
		},
		async close() {
			socket.end("</stream:stream>");
			socket.destroySoon();
		},
	};
}

// elements cuts a stream into its start tag, whole children of the root, and its end tag.
async function* elements(socket) {
	let text = "", start = 0, at = 0, depth = 0;
	for await (const chunk of socket) {
		text += chunk;
		for (let end; (end = endOfTag(text, at)) >= 0;) {
			const open = text.indexOf("<", at);
			const tag = text.slice(open, end);
			at = end;
			if (tag.startsWith("<?")) { start = at; continue; }
			if (tag.startsWith("</")) depth--;
			else if (!tag.endsWith("/>")) depth++;
			const isHeader = depth === 1 && tag.startsWith("<stream:stream");
			if (isHeader || depth <= 1) {
				yield isHeader || depth === 0 ? tag : text.slice(start, at).trim();
				text = text.slice(at);
				start = at = 0;
			}
		}
	}
}

// endOfTag returns where the next tag after from ends, or -1 if it is not whole. A '>' may stand in quotes.
function endOfTag(text, from) {
	let quote = "";
	for (let i = text.indexOf("<", from); i >= 0 && i < text.length; i++) {
		const c = text[i];
		if (quote) { if (c === quote) quote = ""; }
		else if (c === "'" || c === '"') quote = c;
		else if (c === ">") return i + 1;
	}
	return -1;
}
