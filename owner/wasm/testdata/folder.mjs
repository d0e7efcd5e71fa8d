// A store of files in a folder, made in JavaScript.
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export function folder(path) {
	return {
		async read(name) {
			try {
				return new Uint8Array(await readFile(join(path, name)));
			} catch (err) {
				if (err.code === "ENOENT") return null;
				throw err;
			}
		},
		async write(name, bytes) {
			await writeFile(join(path, `${name}.new`), bytes, { mode: 0o600, flush: true });
			await rename(join(path, `${name}.new`), join(path, name));
		},
		async remove(name) { await rm(join(path, name), { force: true }); },
	};
}
