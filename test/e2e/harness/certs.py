"""Certificates: an authority, the ones it has issued, and those that nobody may trust.

    root ── intermediate ── server, server-rsa, alice, bob, ...
    stranger (a root that nobody was told of) ── stranger-server, stranger-alice

The file of a certificate holds its chain without the root, as servers are given it.
"""

import datetime
import ipaddress
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .account import give_to

BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
DAY = datetime.timedelta(days=1)
HERE = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


def new_key(kind="ec"):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Issued:
    """A certificate, its key, and the files they are in."""

    def __init__(self, directory, name, cert, key, chain):
        self.cert, self.key, self.chain = cert, key, chain
        self.cert_file = os.path.join(directory, f"{name}.crt")
        self.key_file = os.path.join(directory, f"{name}.key")
        self.der_key_file = os.path.join(directory, f"{name}.pk8")  # as JDBC wants it

    @property
    def pem(self):
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain)

    @property
    def der(self):
        return self.cert.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM,
                                      serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    def write(self, account):
        der = self.key.private_bytes(serialization.Encoding.DER,
                                     serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption())
        for path, data in ((self.cert_file, self.pem), (self.key_file, self.key_pem),
                           (self.der_key_file, der)):
            with open(path, "wb") as out:
                out.write(data)
            os.chmod(path, 0o600)
            give_to(account, path)
        os.chmod(self.cert_file, 0o644)
        return self


class Authority:
    """Issues certificates in a directory; account is who must be able to read the keys."""

    def __init__(self, directory, account, name="root"):
        self.directory, self.account = directory, account
        self.root_key = new_key()
        self.root = self._sign(name, self.root_key.public_key(), name, self.root_key, ca=1)
        self.key = new_key()
        self.cert = self._sign(f"{name} intermediate", self.key.public_key(), name,
                               self.root_key, ca=0)
        self.ca_file = self.write(f"{name}.crt", self.root.public_bytes(
            serialization.Encoding.PEM))
        # Both authorities, for those who want the chain of their own certificate from there.
        self.chain_file = self.write(f"{name}-chain.crt", b"".join(
            cert.public_bytes(serialization.Encoding.PEM) for cert in (self.cert, self.root)))
        self.revoked = []
        self.crl_file = os.path.join(directory, f"{name}.crl")
        self.write_crl()

    def write(self, name, data):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as out:
            out.write(data)
        give_to(self.account, path)
        return path

    @staticmethod
    def _sign(subject, public_key, issuer, key, ca=None, names=(), start=-1, end=30,
              organization=None, usages=BOTH):
        now = datetime.datetime.utcnow()
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
        if organization:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        builder = (x509.CertificateBuilder()
                   .subject_name(x509.Name(attributes))
                   .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now + start * DAY).not_valid_after(now + end * DAY)
                   .add_extension(x509.BasicConstraints(ca is not None, ca), critical=True))
        if ca is None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(key, hashes.SHA256())

    def issue(self, file_name, subject, names=(), kind="ec", revoke=False, **more):
        key = new_key(kind)
        issuer = self.cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        cert = self._sign(subject, key.public_key(), issuer, self.key, names=names, **more)
        issued = Issued(self.directory, file_name, cert, key, [cert, self.cert])
        if revoke:
            self.revoked.append(cert.serial_number)
            self.write_crl()
        return issued.write(self.account)

    def self_signed(self, file_name, subject, names=()):
        key = new_key()
        cert = self._sign(subject, key.public_key(), subject, key, names=names)
        return Issued(self.directory, file_name, cert, key, [cert]).write(self.account)

    def write_crl(self):
        """One list of each authority of the chain, as checking all of it takes."""
        data = self._crl(self.root, self.root_key, ()) + self._crl(self.cert, self.key,
                                                                   self.revoked)
        self.write(os.path.basename(self.crl_file), data)

    @staticmethod
    def _crl(cert, key, serials):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(cert.subject)
                   .last_update(now - DAY).next_update(now + 30 * DAY))
        for serial in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial)
                .revocation_date(now - DAY).build())
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Certs:
    """All that the tests use, made once."""

    def __init__(self, directory, account):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)
        give_to(account, directory)
        self.directory, self.account = directory, account
        self.authority = Authority(directory, account)
        self.stranger = Authority(directory, account, "stranger")
        self.ca_file, self.crl_file = self.authority.ca_file, self.authority.crl_file
        issue = self.authority.issue

        self.server = issue("server", "localhost", HERE)
        self.server_rsa = issue("server-rsa", "localhost", HERE, kind="rsa")
        self.server_wrong_host = issue("server-wrong-host", "elsewhere.example",
                                       [x509.DNSName("elsewhere.example")])
        self.server_wildcard = issue("server-wildcard", "w", [x509.DNSName("*.example"),
                                                              x509.DNSName("local*")])
        self.server_client_only = issue("server-client-only", "localhost", HERE, usages=BOTH[1:])
        self.server_expired = issue("server-expired", "localhost", HERE, start=-10, end=-1)
        self.server_revoked = issue("server-revoked", "localhost", HERE, revoke=True)
        self.server_self_signed = self.authority.self_signed("server-self-signed", "localhost",
                                                             HERE)
        self.server_stranger = self.stranger.issue("stranger-server", "localhost", HERE)

        self.client = {
            "alice": issue("alice", "alice", organization="Test"),
            "alice-rsa": issue("alice-rsa", "alice", kind="rsa"),
            "bob": issue("bob", "bob"),
            "admin": issue("admin", "admin"),
            "pooler": issue("pooler-client", "certy"),
            "san": issue("san", "somebody", [x509.DNSName("alice")]),
            "wildcard": issue("wildcard", "*", [x509.DNSName("*"), x509.DNSName("*.example")]),
            "server-only": issue("alice-server-only", "alice", usages=BOTH[:1]),
            "nul": issue("alice-nul", "alice\0.example", [x509.DNSName("alice\0.example")]),
            "empty": issue("empty", "", [x509.DNSName("nobody.example")]),
            "expired": issue("alice-expired", "alice", start=-10, end=-1),
            "revoked": issue("alice-revoked", "alice", revoke=True),
            "stranger": self.stranger.issue("stranger-alice", "alice"),
            "self-signed": self.authority.self_signed("alice-self-signed", "alice"),
        }

    def context(self, client=None, verify=True, alpn=None, version=None, ciphers=None):
        """What Python's ssl wants for a client; client names a certificate of ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = verify
        context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
        if verify:
            context.load_verify_locations(self.ca_file)
        if client:
            issued = self.client[client]
            context.load_cert_chain(issued.cert_file, issued.key_file)
        if alpn:
            context.set_alpn_protocols([alpn])
        if version:
            context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        return context

    def server_context(self, issued=None, alpn=None):
        """For a scripted server."""
        issued = issued or self.server
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.cert_file, issued.key_file)
        if alpn:
            context.set_alpn_protocols([alpn])
        return context

    def client_tls(self, mode="require", issued=None, **more):
        """Settings of a pooler that offers TLS to clients."""
        issued = issued or self.server
        settings = {"client_tls_sslmode": mode, "client_tls_cert_file": issued.cert_file,
                    "client_tls_key_file": issued.key_file}
        if mode in ("verify-ca", "verify-full"):
            settings.update(client_tls_ca_file=self.ca_file, client_tls_crl_file=self.crl_file)
        return {**settings, **more}
