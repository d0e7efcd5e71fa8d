-- XEP-0397: Instant Stream Resumption, for Prosody 13.
--
-- A client that enables stream management (mod_smacks) may ask for a token. With it, it authenticates and resumes in one
-- round trip, by an HT mechanism in SASL2 (mod_sasl2). A token is worth one resumption of one stream; the answer brings the next.
-- README.md, beside this file, says how to configure it, and where it departs from the XEP.

local cache = require "prosody.util.cache";
local errors = require "prosody.util.error";
local hashes = require "prosody.util.hashes";
local ip = require "prosody.util.ip";
local jid = require "prosody.util.jid";
local new_token = require "prosody.util.id".long; -- 216 bits from the system's generator; the XEP wants 128
local nodeprep = require "prosody.util.encodings".stringprep.nodeprep;
local st = require "prosody.util.stanza";
local throttle = require "prosody.util.throttle";
local user_is_enabled = require "prosody.core.usermanager".user_is_enabled;

local xmlns_isr = "https://xmpp.org/extensions/isr/0";
local xmlns_sasl = "urn:ietf:params:xml:ns:xmpp-sasl";
local xmlns_sasl2 = "urn:xmpp:sasl:2";
local xmlns_fast = "urn:xmpp:fast:0";
local xmlns_sm = "urn:xmpp:sm:3";
local xmlns_stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";

module:depends("sasl2");
local smacks = module:depends("smacks");
assert(smacks.do_enable and smacks.do_resume, "mod_isr needs the mod_smacks of Prosody 13 or later");

local location = module:get_option_string("isr_location");
local binding_required = module:get_option_boolean("isr_channel_binding_required", true);
local max_failures = module:get_option_integer("isr_max_failures", 10, 1);
local failures_period = module:get_option_period("isr_failures_period", "1 minute");
local disabled_mechanisms = module:get_option_set("disable_sasl_mechanisms", {});

-- What mod_smacks may resume: user@host/SM-ID to session.
local resumable = module:shared("/*/smacks/resumption-tokens");

-- HT mechanisms by preference, with the channel binding of each.
local mechanisms = {
	{ name = "HT-SHA-256-EXPR", binding = "tls-exporter" };
	{ name = "HT-SHA-256-UNIQ", binding = "tls-unique" };
	{ name = "HT-SHA-256-ENDP", binding = "tls-server-end-point" };
	{ name = "HT-SHA-256-NONE" };
};
local hmac, hmac_size = hashes.hmac_sha256, 32;

-- The state of ISR is in two fields of a session, which go where the session goes.
--
-- session.isr_mechanisms: what its connection can do, name to binding (false: none). Over TLS only.
-- session.isr: that it has been enabled.
--     mechanism: the only one that its tokens are good for
--     token: the one that may be used; nil after an attempt with another
--     spent: the one before
--
-- A token is never in a local variable: those of functions that fail are printed to the log.

--- Announcing

local function possible_mechanisms(sasl_handler)
	local bindings = sasl_handler and sasl_handler.profile and sasl_handler.profile.cb or {};
	local possible = {};
	for _, mechanism in ipairs(mechanisms) do
		local usable = not binding_required;
		if mechanism.binding then usable = bindings[mechanism.binding] ~= nil; end
		if usable and not disabled_mechanisms:contains(mechanism.name) then
			possible[mechanism.name] = mechanism.binding or false;
		end
	end
	return possible;
end

-- After those of mod_saslauth and mod_sasl2, which find out about channel bindings. The feature stands where a stream can be
-- resumed, and where a token can be had.
module:hook("stream-features", function (event)
	local session = event.origin;
	if session.base_type ~= "c2s" or not session.secure or session.smacks then return; end
	if session.type == "c2s_unauthed" then
		session.isr_mechanisms = possible_mechanisms(session.sasl_handler);
	end
	local possible = session.isr_mechanisms;
	if not possible or not next(possible) then return; end
	event.features:tag("isr", { xmlns = xmlns_isr }):tag("mechanisms", { xmlns = xmlns_sasl });
	for _, mechanism in ipairs(mechanisms) do
		if possible[mechanism.name] ~= nil then
			event.features:text_tag("mechanism", mechanism.name);
		end
	end
	event.features:up():up();
end, -1);

-- A session that is resumed has another connection.
module:hook_global("c2s-session-updated", function (event)
	event.session.isr_mechanisms = event.from_session.isr_mechanisms;
end);

--- Handing out tokens

-- The mechanism that an <enable/> asks a token for, if there can be one.
local function wanted_mechanism(session, enable)
	local wanted = enable:get_child_attr("isr-enable", xmlns_isr, "mechanism");
	if not wanted then return; end
	if not session.isr_mechanisms or session.isr_mechanisms[wanted] == nil then
		session.log("debug", "No ISR token for a mechanism that was not offered");
		return;
	end
	return wanted;
end

local function give_first_token(session, mechanism, enabled)
	session.isr = { mechanism = mechanism, token = new_token() };
	enabled:reset():tag("isr-enabled", { xmlns = xmlns_isr, token = session.isr.token, location = location }):up();
	session.log("debug", "ISR enabled for %s", mechanism);
end

-- <enable/> by itself, before mod_smacks sees it. An unusable <isr-enable/> enables stream management without ISR.
module:hook_tag(xmlns_sm, "enable", function (session, enable)
	local mechanism = wanted_mechanism(session, enable);
	if not mechanism then return; end
	enable.attr.resume = "true"; -- which is what a token is for; the XEP's example does not say it
	local result = smacks.do_enable(session, enable);
	if not result then return; end -- mod_smacks says why
	local enabled = st.stanza("enabled", { xmlns = xmlns_sm, id = result.id, resume = "true", max = result.resume_max });
	give_first_token(session, mechanism, enabled);
	session.send(enabled);
	result.finish();
	return true;
end, 110);

-- <enable/> inline in Bind 2, before and after mod_sasl2_sm.
module:hook("enable-bind-features", function (event)
	local enable = event.request:get_child("enable", xmlns_sm);
	if not enable or not wanted_mechanism(event.session, enable) then return; end
	enable.attr.resume = "true";
end, 110);

module:hook("enable-bind-features", function (event)
	local enable = event.request:get_child("enable", xmlns_sm);
	local enabled = event.result:get_child("enabled", xmlns_sm);
	local mechanism = enable and enabled and enabled.attr.id and wanted_mechanism(event.session, enable);
	if mechanism then
		give_first_token(event.session, mechanism, enabled);
	end
end, 90);

--- Bounding tries

local failures = cache.new(1000); -- address to throttle; who came first is forgotten first

-- Failures of an address, or of a /64, which is one host's to choose from.
local function failures_of(session)
	local address = session.ip and ip.new_ip(session.ip);
	if not address then return nil; end
	local key = (address.proto == "IPv6" and ip.truncate(address, 64) or address).normal;
	local bound = failures:get(key);
	if not bound then
		bound = throttle.create(max_failures, failures_period);
		failures:set(key, bound);
	end
	return bound;
end

--- Authenticating

-- draft-schmaus-kitten-sasl-ht: the name and what proves the token, which versions from 04 on separate by a NUL. In version
-- 03, which the XEP names, two octets of length stand first.
local function parse_initiator_message(message)
	local name, proof;
	if message:byte(1) == 0 and #message > 2 then
		local length = message:byte(2);
		name, proof = message:sub(3, 2 + length), message:sub(3 + length);
	else
		name, proof = message:match("^([^%z]+)%z(.+)$");
	end
	if not name or #name == 0 or name:find("%z") or #proof ~= hmac_size then return nil; end
	return name, proof;
end

local decoy = { token = new_token() }; -- is compared with where there is nothing, so that it takes as long

local function proves(isr, which, proof, binding_data)
	return hashes.equals(hmac(isr[which] or decoy.token, "Initiator"..binding_data), proof) and isr[which] ~= nil;
end

-- What becomes of a stream if its SM-ID was right and the token was not. The XEP: the token is destroyed, and the stream too,
-- against guessing. Who shows the token before is not guessing: the answer that brought the next one got lost on its way. That
-- stream can still be resumed by other means.
local function punish(original, spent)
	original.isr.token = nil;
	if spent then
		original.log("info", "A spent ISR token was used, stream must be resumed without one");
	else
		original.log("warn", "A wrong ISR token was used, ending the stream");
		original:close { condition = "policy-violation", text = "Instant stream resumption with a wrong token" };
	end
end

-- A SASL handler, as mod_sasl2 uses them, for a token.
local handler_methods = {};
local handler_mt = { __index = handler_methods };

local function new_sasl_handler(session, mechanism, resume)
	return setmetatable({
		session = session;
		mechanism = mechanism;
		id = resume.attr.previd;
		usual = session.sasl_handler;
		fast = session.fast_sasl_handler; -- mod_sasl2_fast drops its own when it sees an <authenticate/> that is none of its
	}, handler_mt);
end

function handler_methods:mechanisms() return { [self.mechanism] = true }; end

function handler_methods:select(mechanism) return mechanism == self.mechanism; end

-- After a failure authentication goes on as if this had not been.
function handler_methods:clean_clone()
	self.session.fast_sasl_handler = self.fast;
	return self.usual:clean_clone();
end

function handler_methods:binding_data()
	local binding = self.session.isr_mechanisms[self.mechanism];
	if not binding then return ""; end
	local data = self.usual.profile.cb[binding](self.usual);
	return data ~= "" and data or nil;
end

-- The session that is to be resumed, if the token for it is proven, and then the server's proof.
function handler_methods:verify(message)
	local name, proof = parse_initiator_message(message);
	local username = name and nodeprep(name);
	local binding_data = self:binding_data();
	if not username or not binding_data then return nil; end
	local original = resumable[jid.join(username, module.host, self.id)];
	local isr = original and not original.destroyed and original.isr or {};
	local proven, spent = proves(isr, "token", proof, binding_data), proves(isr, "spent", proof, binding_data);
	if not isr.mechanism then return nil; end
	if not proven or isr.mechanism ~= self.mechanism then
		punish(original, spent and isr.mechanism == self.mechanism);
		return nil;
	end
	isr.token, isr.spent = nil, isr.token;
	return original, hmac(isr.spent, "Responder"..binding_data);
end

function handler_methods:process(message)
	if not message then return "failure", "malformed-request"; end
	local original, answer = self:verify(message);
	if not original or not user_is_enabled(original.username, module.host) then
		local bound = failures_of(self.session);
		if bound then bound:poll(1); end
		return "failure", "not-authorized";
	end
	self.username = original.username;
	return "success", answer;
end

--- Resuming

local function is_true(value) return value == nil or value == "true" or value == "1"; end
local function is_false(value) return value == "false" or value == "0"; end

-- The <resume/> of an <authenticate/>, or what is wrong with it.
local function read_request(session, authenticate, inst_resume)
	local resume = inst_resume:get_child("resume", xmlns_sm);
	local with_token = inst_resume.attr["with-isr-token"];
	if not session.secure then
		return nil, "encryption-required";
	elseif session.type ~= "c2s_unauthed" or not session.sasl_handler then
		return nil, "malformed-request", "This stream is authenticated";
	elseif not authenticate.attr.mechanism then
		return nil, "invalid-mechanism";
	elseif not is_true(with_token) and not is_false(with_token) then
		return nil, "malformed-request", "with-isr-token is neither true nor false";
	elseif not resume or not resume.attr.previd or #resume.attr.previd > 255 then
		return nil, "malformed-request", "There is no <resume/> with a previd";
	elseif not (resume.attr.h or ""):match("^%d+$") or tonumber(resume.attr.h) >= 2^32 then
		return nil, "malformed-request", "h is not a number of stanzas";
	elseif authenticate:child_with_ns(xmlns_sm) or is_true(with_token) and authenticate:get_child("fast", xmlns_fast) then
		return nil, "malformed-request", "There are two ways to resume, or two tokens";
	end
	return resume;
end

local function refuse(session, condition, text)
	local failure = st.stanza("failure", { xmlns = xmlns_sasl2 }):tag(condition, { xmlns = xmlns_sasl }):up();
	if text then failure:text_tag("text", text); end
	session.log("debug", "Instant resumption refused: %s", text or condition);
	session.send(failure);
	return true;
end

-- Before the other modules that belong to SASL2: what is refused here they do not see.
module:hook_tag(xmlns_sasl2, "authenticate", function (session, authenticate)
	session.isr_resume = nil;
	local inst_resume = authenticate:get_child("inst-resume", xmlns_isr);
	if not inst_resume then return; end
	local resume, condition, text = read_request(session, authenticate, inst_resume);
	if not resume then return refuse(session, condition, text); end
	if is_true(inst_resume.attr["with-isr-token"]) then
		local mechanism, bound = authenticate.attr.mechanism, failures_of(session);
		if not session.isr_mechanisms or session.isr_mechanisms[mechanism] == nil then
			return refuse(session, "invalid-mechanism");
		elseif bound and not bound:peek(1) then
			return refuse(session, "temporary-auth-failure", "Too many wrong tokens came from there");
		end
		session.sasl_handler = new_sasl_handler(session, mechanism, resume);
	end
	session.isr_resume = resume;
end, 110);

local resume_errors = errors.init("mod_isr", {
	disabled = { condition = "unexpected-request", text = "This stream has no instant resumption" };
	h = { condition = "undefined-condition", text = "More stanzas were handled than sent, or fewer than before" };
});

-- What mod_smacks gives for a resumed session, or an error.
local function do_resume(session, resume)
	local original = resumable[jid.join(session.username, session.host, resume.attr.previd)];
	if original and not original.destroyed then
		if not original.isr then return nil, resume_errors.new("disabled"); end
		-- mod_smacks checks h too, but by then it has stopped the clock of the session's hibernation.
		local queue, h = original.outgoing_stanza_queue, tonumber(resume.attr.h);
		local acked = queue:count_acked();
		if h < acked or h > acked + queue:count_unacked() then
			return nil, resume_errors.new("h", { h = original.handled_stanza_count });
		end
	end
	local resumed, err = smacks.do_resume(session, resume);
	if not resumed and original and not original.destroyed then
		original:close { condition = "policy-violation", text = "This stream cannot be resumed" }; -- and its clock has stopped
	end
	return resumed, err;
end

module:hook("sasl2/c2s/success", function (event)
	local session = event.session;
	local resume = session.isr_resume;
	if not resume then return; end
	session.isr_resume = nil;
	local resumed, err = do_resume(session, resume);
	if not resumed then
		session.log("debug", "Instant resumption failed: %s", err);
		local h = err.context and err.context.h;
		event.success:add_direct_child(st.stanza("inst-resume-failed", { xmlns = xmlns_isr })
			:tag("failed", { xmlns = xmlns_sm, h = h and ("%d"):format(h) or nil })
			:tag(err.condition, { xmlns = xmlns_stanzas }):reset());
		return;
	end
	session = resumed.session;
	session.isr.token = new_token();
	event.session, event.isr_resumed = session, resumed; -- those who come later see the session that goes on
	event.success:add_direct_child(st.stanza("inst-resumed", { xmlns = xmlns_isr, token = session.isr.token })
		:tag("resumed", { xmlns = xmlns_sm, h = ("%d"):format(session.handled_stanza_count), previd = resumed.id }):reset());
	session.log("info", "Resumed instantly");
end, 115);

-- When <success/> has been sent, and before mod_sasl2_sm comes to the same: it may remember that the stream was enabled,
-- and would enable it again, with an empty queue.
module:hook("sasl2/c2s/success", function (event)
	if not event.isr_resumed then return; end
	event.session.sasl2_sm_success = nil;
	event.isr_resumed.finish();
end, -1099);
