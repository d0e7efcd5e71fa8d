import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.BufferedReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.Map;
import org.bouncycastle.crypto.params.AsymmetricKeyParameter;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.tls.*;
import org.bouncycastle.tls.crypto.*;
import org.bouncycastle.tls.crypto.impl.bc.BcDefaultTlsCredentialedSigner;
import org.bouncycastle.tls.crypto.impl.bc.BcTlsCrypto;

/**
 * A TLS-SRP peer on BouncyCastle, for tests. A Java virtual machine takes its time to start, so one serves many
 * handshakes, at the same time if so asked.
 *
 * Each line on standard input is an order, form-encoded; each line on standard output is JSON and has the order's id.
 *
 *   role=client: connects to port, does one handshake and moves the data: each of sizes is sent and must come back.
 *   role=server: answers {"id":…,"port":N}, then serves whoever connects there, one after another, and echoes.
 *
 * Every handshake gives a line (see Outcome). It ends when standard input does.
 */
public final class SrpPeer {
    private static final PrintStream out = System.out;
    private static final SecureRandom random = new SecureRandom();

    private SrpPeer() {
    }

    public static void main(String[] args) throws IOException {
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = orders.readLine()) != null; ) {
            Order order = new Order(line);
            Thread worker = new Thread(() -> obey(order));
            worker.setDaemon(true);
            worker.start();
        }
    }

    private static void obey(Order order) {
        try {
            if (order.server) {
                serve(order);
            } else {
                try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), order.number("port", 0))) {
                    say(connect(order, socket));
                }
            }
        } catch (IOException | RuntimeException e) {
            Outcome failed = new Outcome(order);
            failed.fail("setup", e);
            say(failed.json());
        }
    }

    private static void serve(Order order) throws IOException {
        try (ServerSocket listener = new ServerSocket(0, 64, InetAddress.getLoopbackAddress())) {
            say("{\"id\":" + order.id + ",\"port\":" + listener.getLocalPort() + "}");
            while (true) {
                try (Socket socket = listener.accept()) {
                    say(accept(order, socket));
                }
            }
        }
    }

    private static void say(String line) {
        synchronized (out) {
            out.println(line);
            out.flush();
        }
    }

    /* --- one connection ------------------------------------------------------------------------------------------ */

    private static String connect(Order order, Socket socket) throws IOException {
        Outcome outcome = new Outcome(order);
        socket.setTcpNoDelay(true);
        TlsClientProtocol tls = new TlsClientProtocol(socket.getInputStream(), socket.getOutputStream());
        String step = "handshake";
        try {
            tls.connect(new Client(order, outcome));
            step = "data";
            for (int size : order.sizes()) {
                sendOne(tls.getInputStream(), tls.getOutputStream(), size);
            }
            step = "close";
            tls.close();
        } catch (IOException e) {
            outcome.fail(step, e);
        }
        return outcome.json();
    }

    private static void sendOne(InputStream from, OutputStream to, int size) throws IOException {
        byte[] sent = new byte[size];
        random.nextBytes(sent);
        to.write(sent);
        if (!Arrays.equals(sent, from.readNBytes(size))) {
            throw new IOException(size + " bytes came back changed");
        }
    }

    private static String accept(Order order, Socket socket) throws IOException {
        Outcome outcome = new Outcome(order);
        socket.setTcpNoDelay(true);
        TlsServerProtocol tls = new TlsServerProtocol(socket.getInputStream(), socket.getOutputStream());
        String step = "handshake";
        try {
            tls.accept(new Server(order, outcome));
            step = "data";
            tls.getInputStream().transferTo(tls.getOutputStream());
            step = "close";
            tls.close();
        } catch (IOException e) {
            outcome.fail(step, e);
        }
        return outcome.json();
    }

    /* --- orders and outcomes -------------------------------------------------------------------------------------- */

    private static final class Order {
        private final Map<String, String> values = new HashMap<>();
        final String id;
        final boolean server;

        Order(String line) {
            for (String pair : line.split("&")) {
                String[] parts = pair.split("=", 2);
                values.put(parts[0], URLDecoder.decode(parts[1], StandardCharsets.UTF_8));
            }
            id = values.get("id");
            server = "server".equals(values.get("role"));
        }

        byte[] bytes(String name) {
            return values.getOrDefault(name, "").getBytes(StandardCharsets.UTF_8);
        }

        int number(String name, int fallback) {
            return values.containsKey(name) ? Integer.parseInt(values.get(name)) : fallback;
        }

        boolean has(String name) {
            return values.containsKey(name);
        }

        int[] sizes() {
            String list = values.getOrDefault("sizes", "");
            return list.isEmpty() ? new int[0] : Arrays.stream(list.split(",")).mapToInt(Integer::parseInt).toArray();
        }

        SRP6Group group() {
            if (has("N")) {
                return new SRP6Group(new BigInteger(values.get("N"), 16), new BigInteger(values.get("g"), 16));
            }
            switch (number("group", 3072)) {
                case 1024: return SRP6StandardGroups.rfc5054_1024;
                case 1536: return SRP6StandardGroups.rfc5054_1536;
                case 2048: return SRP6StandardGroups.rfc5054_2048;
                case 3072: return SRP6StandardGroups.rfc5054_3072;
                case 4096: return SRP6StandardGroups.rfc5054_4096;
                case 6144: return SRP6StandardGroups.rfc5054_6144;
                case 8192: return SRP6StandardGroups.rfc5054_8192;
                default: throw new IllegalArgumentException("no group of " + values.get("group") + " bits");
            }
        }

        /** With "others", TLS 1.3 and a suite without SRP stand before the one that is asked for. */
        int[] suites() {
            int suite = Integer.parseInt(values.getOrDefault("suite", "c020"), 16);
            return has("others")
                ? new int[] {CipherSuite.TLS_AES_128_GCM_SHA256,
                             CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, suite}
                : new int[] {suite};
        }

        ProtocolVersion[] versions() {
            return has("others") ? ProtocolVersion.TLSv13.downTo(ProtocolVersion.TLSv12)
                                 : ProtocolVersion.TLSv12.only();
        }

        byte[] pem(String name) throws IOException {
            String text = Files.readString(Paths.get(values.get(name)));
            return Base64.getMimeDecoder().decode(text.replaceAll("-----[^-]*-----", ""));
        }
    }

    private static final class Outcome {
        private final Order order;
        private String failed = "";
        private String reason = "";
        private String version = "";
        private int suite;
        private boolean ems;
        private boolean etm;
        int alertSent;
        int alertReceived;

        Outcome(Order order) {
            this.order = order;
        }

        void fail(String step, Exception e) {
            failed = step;
            reason = String.valueOf(e);
        }

        void complete(TlsContext context) {
            SecurityParameters parameters = context.getSecurityParametersConnection();
            version = parameters.getNegotiatedVersion().getName();
            suite = parameters.getCipherSuite();
            ems = parameters.isExtendedMasterSecret();
            etm = parameters.isEncryptThenMAC();
        }

        String json() {
            return String.format("{\"id\":%s,\"ok\":%b,\"failed\":\"%s\",\"reason\":\"%s\",\"version\":\"%s\",\"suite\":%d,"
                + "\"ems\":%b,\"etm\":%b,\"alert_sent\":%d,\"alert_received\":%d}", order.id, failed.isEmpty(), failed,
                reason.replaceAll("[^ -~]|[\"\\\\]", "?"), version, suite, ems, etm, alertSent, alertReceived);
        }
    }

    /* --- the two sides, SRPTlsClient and SRPTlsServer but for what an order asks ------------------------------------ */

    private static final class Client extends SRPTlsClient {
        private final Order order;
        private final Outcome outcome;

        Client(Order order, Outcome outcome) {
            super(new BcTlsCrypto(random), order.bytes("user"), order.bytes("password"));
            this.order = order;
            this.outcome = outcome;
        }

        @Override protected int[] getSupportedCipherSuites() {
            return order.suites();
        }

        @Override protected ProtocolVersion[] getSupportedVersions() {
            return order.versions();
        }

        /** Those of RFC 5054, or the test's own. */
        @Override public TlsSRPConfigVerifier getSRPConfigVerifier() {
            if (!order.has("N")) {
                return super.getSRPConfigVerifier();
            }
            BigInteger[] own = {order.group().getN(), order.group().getG()};
            return config -> Arrays.equals(config.getExplicitNG(), own);
        }

        @Override public boolean shouldUseExtendedMasterSecret() {
            return !order.has("noems");
        }

        @SuppressWarnings("rawtypes")
        @Override public Hashtable getClientExtensions() throws IOException {
            Hashtable extensions = super.getClientExtensions();
            if (order.has("noetm")) {
                extensions.remove(TlsExtensionsUtils.EXT_encrypt_then_mac);
            }
            return extensions;
        }

        /** Any certificate will do: what is tested is the password, and that the signature holds. */
        @Override public TlsAuthentication getAuthentication() {
            return new ServerOnlyTlsAuthentication() {
                @Override public void notifyServerCertificate(TlsServerCertificate certificate) {
                }
            };
        }

        @Override public void notifyHandshakeComplete() throws IOException {
            super.notifyHandshakeComplete();
            outcome.complete(context);
        }

        @Override public void notifyAlertRaised(short level, short alert, String message, Throwable cause) {
            outcome.alertSent = level == AlertLevel.fatal ? alert : outcome.alertSent;
        }

        @Override public void notifyAlertReceived(short level, short alert) {
            outcome.alertReceived = level == AlertLevel.fatal ? alert : outcome.alertReceived;
        }
    }

    private static final class Server extends SRPTlsServer {
        private final Order order;
        private final Outcome outcome;

        Server(Order order, Outcome outcome) {
            super(new BcTlsCrypto(random), identity -> login(order, identity));
            this.order = order;
            this.outcome = outcome;
        }

        /** null is a user who is not known. */
        private static TlsSRPLoginParameters login(Order order, byte[] identity) {
            if (!Arrays.equals(identity, order.bytes("user"))) {
                return null;
            }
            TlsSRPConfig config = new TlsSRPConfig();
            SRP6Group group = order.group();
            config.setExplicitNG(new BigInteger[] {group.getN(), group.getG()});
            byte[] salt = new byte[16];
            random.nextBytes(salt);
            BigInteger verifier = new BcTlsCrypto(random).createSRP6VerifierGenerator(config)
                .generateVerifier(salt, identity, order.bytes("password"));
            return new TlsSRPLoginParameters(identity, config, verifier, salt);
        }

        @Override protected int[] getSupportedCipherSuites() {
            return order.suites();
        }

        @Override protected ProtocolVersion[] getSupportedVersions() {
            return order.versions();
        }

        @Override protected boolean preferLocalCipherSuites() {
            return true;
        }

        @Override public boolean shouldUseExtendedMasterSecret() {
            return !order.has("noems");
        }

        @Override protected boolean allowEncryptThenMAC() {
            return !order.has("noetm");
        }

        @Override public TlsCredentials getCredentials() throws IOException {
            SecurityParameters parameters = context.getSecurityParametersHandshake();
            switch (parameters.getKeyExchangeAlgorithm()) {
                case KeyExchangeAlgorithm.NULL: // TLS 1.3
                    return signer(SignatureAndHashAlgorithm.rsa_pss_rsae_sha256);
                case KeyExchangeAlgorithm.ECDHE_RSA:
                    return getRSASignerCredentials();
                default:
                    return super.getCredentials();
            }
        }

        @Override protected TlsCredentialedSigner getRSASignerCredentials() throws IOException {
            return signer(SignatureAndHashAlgorithm.getInstance(HashAlgorithm.sha256, SignatureAlgorithm.rsa));
        }

        private TlsCredentialedSigner signer(SignatureAndHashAlgorithm algorithm) throws IOException {
            BcTlsCrypto crypto = (BcTlsCrypto) getCrypto();
            TlsCertificate leaf = crypto.createCertificate(order.pem("cert"));
            Certificate chain = TlsUtils.isTLSv13(context)
                ? new Certificate(TlsUtils.EMPTY_BYTES, new CertificateEntry[] {new CertificateEntry(leaf, null)})
                : new Certificate(new TlsCertificate[] {leaf});
            AsymmetricKeyParameter key = PrivateKeyFactory.createKey(order.pem("key"));
            return new BcDefaultTlsCredentialedSigner(new TlsCryptoParameters(context), crypto, key, chain, algorithm);
        }

        @Override public void notifyHandshakeComplete() throws IOException {
            super.notifyHandshakeComplete();
            outcome.complete(context);
        }

        @Override public void notifyAlertRaised(short level, short alert, String message, Throwable cause) {
            outcome.alertSent = level == AlertLevel.fatal ? alert : outcome.alertSent;
        }

        @Override public void notifyAlertReceived(short level, short alert) {
            outcome.alertReceived = level == AlertLevel.fatal ? alert : outcome.alertReceived;
        }
    }
}
