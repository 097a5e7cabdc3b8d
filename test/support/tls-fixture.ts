/** Certificates for tests that need no particular ones: a CA, and what it has vouched for. Valid for a hundred years. */
import type { TlsContextOptions } from "../../core/io/tls.ts";

export const CA = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUWeie3eWgYxH4emTe+RBoEQ2t/nQwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNVHVsbGUgdGVzdCBDQTAgFw0yNjExMjIwMTI3MDZaGA8yMTI2
MTAyOTAxMjcwNlowGDEWMBQGA1UEAwwNVHVsbGUgdGVzdCBDQTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABBnAIJYuQLlBjmwWGbiYmHz8hzqQ47eAbx0wmKRRMj3h
1SWtqk46r/uVHQxqat4of3LhQmn76dCeXJ292uDvTFqjUzBRMB0GA1UdDgQWBBQJ
wB/IGXYKkQYjVNu85rjJc6vmvjAfBgNVHSMEGDAWgBQJwB/IGXYKkQYjVNu85rjJ
c6vmvjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCxqcrDKVIW
iGJCLjeA0lfi+1q3ZCN2wmFFKAgXjGRTyAIgNnmq3gST2Uth7LetpAbFlOW+5z9L
6JFXO6EjeS3I+DE=
-----END CERTIFICATE-----
`;

export const SERVER = {
  chain: `-----BEGIN CERTIFICATE-----
MIIB3zCCAYagAwIBAgIUavTAVa1x2GIWnXL5W4wMnzTNtC8wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNVHVsbGUgdGVzdCBDQTAgFw0yNjExMjIwMTI3MDZaGA8yMTI2
MTAyOTAxMjcwNlowETEPMA0GA1UEAwwGc2VydmVyMFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAERL86FbZ1K9xyUt2VD2+88ysB3GyFtjboRPS+Q17H1RUclixC6rZE
RdcTOCnPkj5bI9sm0pOAj9YxBT0ICNXguKOBsjCBrzA2BgNVHREELzAthhtzcGlm
ZmU6Ly9leGFtcGxlLm9yZy9zZXJ2ZXKCDnNlcnZlci5leGFtcGxlMAkGA1UdEwQC
MAAwCwYDVR0PBAQDAgeAMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcDAjAd
BgNVHQ4EFgQUufz/hzTLcKYDXxenbgpBPW4/AtUwHwYDVR0jBBgwFoAUCcAfyBl2
CpEGI1TbvOa4yXOr5r4wCgYIKoZIzj0EAwIDRwAwRAIgAYtdSGIiADpmANdN5cLo
pDgiE5UipJdSDtCgJS5yZw0CIDbuNxjA70qu4nMOfuvz0CZvXJeTWILF3ha3aVc1
592B
-----END CERTIFICATE-----
`,
  privateKey: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMz7hSWSIecSoQlYQ
yyNJKmemTru6uuCMoXrme211hsahRANCAAREvzoVtnUr3HJS3ZUPb7zzKwHcbIW2
NuhE9L5DXsfVFRyWLELqtkRF1xM4Kc+SPlsj2ybSk4CP1jEFPQgI1eC4
-----END PRIVATE KEY-----
`,
  password: "",
};

export const CLIENT = {
  chain: `-----BEGIN CERTIFICATE-----
MIIB4DCCAYagAwIBAgIUavTAVa1x2GIWnXL5W4wMnzTNtDAwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNVHVsbGUgdGVzdCBDQTAgFw0yNjExMjIwMTI3MDZaGA8yMTI2
MTAyOTAxMjcwNlowETEPMA0GA1UEAwwGY2xpZW50MFkwEwYHKoZIzj0CAQYIKoZI
zj0DAQcDQgAEqniGEb43+JGbJl0TyHMMhtUYzAXi/ryZVH2UV3zxsYtB30U+TtjN
NG44/E9F7Z/MtWYnXRK8mI1RsaVdIWve6aOBsjCBrzA2BgNVHREELzAthhtzcGlm
ZmU6Ly9leGFtcGxlLm9yZy9jbGllbnSCDmNsaWVudC5leGFtcGxlMAkGA1UdEwQC
MAAwCwYDVR0PBAQDAgeAMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcDAjAd
BgNVHQ4EFgQUt+2xPj5+xUFHOw6kiln+kwG7MCYwHwYDVR0jBBgwFoAUCcAfyBl2
CpEGI1TbvOa4yXOr5r4wCgYIKoZIzj0EAwIDSAAwRQIhAN378DS8/JPLt949XZGV
H3R7Ce7r96gHPXaffmzyLkonAiAVHdc2czjutL9RfAKDQaLitU8mqSIjUdWjEsGd
zDDwdw==
-----END CERTIFICATE-----
`,
  privateKey: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8we4mznj0sCt0HI8
Yta6Jg+xK/+4ZgVvxhtiToCvC/GhRANCAASqeIYRvjf4kZsmXRPIcwyG1RjMBeL+
vJlUfZRXfPGxi0HfRT5O2M00bjj8T0Xtn8y1ZiddEryYjVGxpV0ha97p
-----END PRIVATE KEY-----
`,
  password: "",
};

/** What a context is made of, unless a test says otherwise. */
export const SERVER_OPTIONS: TlsContextOptions = {
  server: true,
  certificates: [SERVER],
  authorities: "",
  requestCertificate: false,
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  cipherSuites: [],
  curves: [],
  signatureAlgorithms: [],
  alpn: [],
  resumption: true,
  sessionScope: "",
  sessionTimeout: 0,
  maxSessions: 0,
};

export const CLIENT_OPTIONS: TlsContextOptions = { ...SERVER_OPTIONS, server: false, certificates: [] };
