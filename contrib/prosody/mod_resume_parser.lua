-- Prosody 13.0.1 hands what comes on the connection of a resumed stream (XEP-0198) to the XML parser of the stream's first connection. If
-- that connection broke within a stanza, the parser still waits for the rest of it: what comes is swallowed, or not well-formed.
--
-- This module hands it to the parser of the connection on which it came. Load it globally:
--
--     plugin_paths = { ".../contrib/prosody" }
--     modules_enabled = { ...; "resume_parser"; }

module:set_global();

module:hook("c2s-session-updated", function (event)
	local data = event.from_session.data; -- feeds the new connection's parser; the session is emptied after this event
	if data then
		event.session.data = data;
	end
end);
