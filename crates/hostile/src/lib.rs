//! Every decoder that a client's bytes reach, each as one function of bytes, for fuzzing.
//!
//! `tests/run.rs` runs all of them on mutated and on made-up hostile inputs, bounded in time, and bounds the memory that
//! an input may cost. `fuzz/` gives the same functions to cargo-fuzz. A target never panics, and what it decodes it can
//! encode again.

use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::UNIX_EPOCH;

use apiserver::authn::service_account::ServiceAccountTokens;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use futures::StreamExt;
use machinery::patch::{Patch, PatchKind};
use serde_json::Value;
use tee_verify::offline::{At, OfflinePolicy, judge};
use tee_verify::{Collateral, Kind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// A decoder: its name, what it does with bytes, and inputs to begin with.
pub struct Target {
    /// Name.
    pub name: &'static str,
    /// Decodes.
    pub run: fn(&[u8]),
    /// Inputs that it takes.
    pub seeds: &'static [&'static [u8]],
}

const POD: &[u8] = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x":"1"},"finalizers":["a/b"]},"spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80}],"env":[{"name":"A","value":"1"}]}]}}"#;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "json",
        run: json,
        seeds: &[POD, br#"[1e308,-0,"\ud83d\ude00",null,{"a":{"a":[]}}]"#],
    },
    Target {
        name: "yaml",
        run: yaml,
        seeds: &[
            b"a: &x {b: [1, 0o7, 0644, yes]}\nc: *x\nd: |\n  text\n<<: *x\n",
            b"- ? {a: b}\n  : !!str 1\n---\nx",
        ],
    },
    Target {
        name: "protobuf",
        run: protobuf,
        seeds: &[
            b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x0c\x0a\x06\x0a\x01a\x22\x01d\x12\x02\x0a\x00\x1a\0\x22\0",
            b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x10\x0a\x04\x0a\x02ab\x12\x08\x0a\x01k\x12\x03abc",
        ],
    },
    Target {
        name: "message",
        run: message,
        seeds: &[b"\x0a\x06\x0a\x01a\x22\x01d\x12\x06\x12\x04\x0a\x02c1"],
    },
    Target {
        name: "patches",
        run: patches,
        seeds: &[
            br#"[{"op":"add","path":"/spec/containers/-","value":{"name":"d"}},{"op":"move","from":"/metadata/labels/x","path":"/a"},{"op":"test","path":"/kind","value":"Pod"}]"#,
            br#"{"spec":{"containers":[{"name":"c","$patch":"delete"},{"name":"e","ports":[{"$patch":"replace"}]}],"$setElementOrder/containers":[{"name":"e"}]},"metadata":{"labels":{"x":null},"$deleteFromPrimitiveList/finalizers":["a/b"],"$retainKeys":["name"]}}"#,
        ],
    },
    Target {
        name: "selectors",
        run: selectors,
        seeds: &[
            b"a=1,b!=2,c in (x,y),!d,e notin (z),f>5",
            b"metadata.name=a\\,b,spec.nodeName!=n",
            b"100m",
            b"1h30m",
        ],
    },
    Target {
        name: "query",
        run: query,
        seeds: &[
            b"limit=500&continue=eyJ2IjoibWV0YSJ9&fieldSelector=metadata.name%3Da&resourceVersion=5&resourceVersionMatch=Exact&watch=1&sendInitialEvents=true&timeoutSeconds=9",
            b"dryRun=All&fieldManager=a&fieldValidation=Strict&force=true&propagationPolicy=Orphan",
        ],
    },
    Target {
        name: "jwt",
        run: jwt,
        seeds: &[
            b"eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJ4Iiwic3ViIjoieSIsImV4cCI6OTk5OTk5OTk5OSwibmJmIjoxLCJhdWQiOlsieCJdfQ.c2ln",
            b"eyJhbGciOiJub25lIn0.e30.",
        ],
    },
    Target {
        name: "cel",
        run: cel,
        seeds: &[
            b"self.a.all(x, x > 1 && x.matches('a+')) ? [1, 2].map(y, y * 2) : {'a': quantity('1Gi').add(quantity('2'))}",
            b"has(object.metadata.labels) && object.spec.replicas <= 5",
        ],
    },
    Target {
        name: "websocket",
        run: websocket,
        seeds: &[
            b"\x82\x85\x00\x00\x00\x00\x00abcd\x88\x80\x00\x00\x00\x00",
            b"\x02\x81\x01\x02\x03\x04\x05\x80\xfe\x00\x02\x01\x02\x03\x04ab",
        ],
    },
    Target {
        name: "spdy",
        run: spdy,
        seeds: &[
            b"\x80\x03\x00\x01\x00\x00\x00\x1d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x78\x01\x00\x04\x00\xfb\xff\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x01\x01\x00\x00\x03abc",
            b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01",
        ],
    },
    Target {
        name: "audit-policy",
        run: audit_policy,
        seeds: &[
            b"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, resources: [{group: '', resources: ['pods/*']}]}]",
        ],
    },
    Target {
        name: "evidence",
        run: evidence,
        seeds: &[
            b"\x84\x44\xa1\x01\x38\x22\xa0\x58\x20\xa9\x69module_id\x63abc\x66digest\x66SHA384\x64pcrs\xa1\x00\x58\x30",
            b"DAASTPM1\x00\x10\xffTCG\x80\x18\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x08\x00\x14\x00\x0b\x00\x02ab\x01\x00",
            b"\x04\x00\x02\x00\x81\x00\x00\x00\x00\x00\x00\x00\x93\x9a\x72\x33\xf7\x9c\x4c\xa9\x94\x0a\x0d\xb3\x95\x7f\x06\x07",
            b"DAASSIM1",
            br#"{"evidence":{"kind":"nitro","body":"hEShATgi"},"collateral":{"certificates":["MAA="],"eventLog":"AAAA"}}"#,
        ],
    },
    Target {
        name: "collateral",
        run: collateral,
        seeds: &[
            b"-----BEGIN CERTIFICATE-----\nMIIBAjCBqqADAgECAgEBMAoGCCqGSM49BAMC\n-----END CERTIFICATE-----\n-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
            b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04",
            br#"{"root_ca_crl":"30","pck_crl":"30","tcb_info_issuer_chain":"","tcb_info":"{}","tcb_info_signature":"00","qe_identity_issuer_chain":"","qe_identity":"{}","qe_identity_signature":"00"}"#,
        ],
    },
];

fn json(bytes: &[u8]) {
    if let Ok(decoded) = codec::json::decode(bytes) {
        let again = codec::json::decode(&codec::json::encode(&decoded.value));
        assert_eq!(again.map(|d| d.value), Ok(decoded.value));
    }
}

fn yaml(bytes: &[u8]) {
    if let Ok(decoded) = codec::yaml::decode(bytes) {
        let _ = codec::yaml::encode(&decoded.value);
    }
}

fn protobuf(bytes: &[u8]) {
    if let Ok(value) = codec::protobuf::decode(bytes, Some(("v1", "Pod"))) {
        let _ = codec::protobuf::encode(&value);
    }
}

/// A message of the type that the first bytes choose.
fn message(bytes: &[u8]) {
    let Some(([a, b], rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_be_bytes([*a, *b]));
    let count = schema::types().count().max(1);
    if let Some(ty) = schema::types().nth(at % count)
        && let Ok(value) = codec::protobuf::decode_message(ty, rest)
    {
        let _ = codec::protobuf::encode_message(ty, &value);
    }
}

fn patches(bytes: &[u8]) {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_slice(POD).unwrap_or_default());
    let Ok(body) = codec::json::decode_value(bytes) else {
        return;
    };
    let ty = schema::lookup("", "v1", "Pod");
    for kind in [PatchKind::Json, PatchKind::Merge, PatchKind::Strategic] {
        if let Ok(patch) = Patch::new(kind, body.clone()) {
            let _ = patch.apply(ty, DOCUMENT.clone());
        }
    }
}

fn selectors(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(selector) = machinery::labels::Selector::parse(&text) {
        let said = selector.to_string();
        assert!(
            machinery::labels::Selector::parse(&said).is_ok(),
            "{said:?} of {text:?}"
        );
    }
    let _ = machinery::fields::FieldSelector::parse(&text);
    let _ = machinery::Quantity::parse(&text);
}

fn query(bytes: &[u8]) {
    use machinery::options::{DeleteOptions, ListOptions, PatchOptions, Query, WriteOptions};
    let query = Query::parse(&String::from_utf8_lossy(bytes));
    let _ = ListOptions::from_query(&query);
    let _ = WriteOptions::create(&query);
    let _ = PatchOptions::from_query(&query, true);
    let _ = DeleteOptions::from_query(&query);
}

fn jwt(bytes: &[u8]) {
    static TOKENS: LazyLock<Option<ServiceAccountTokens>> = LazyLock::new(|| {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        ServiceAccountTokens::new(pair.to_pkcs8v1().ok()?.as_ref(), "https://x", Vec::new()).ok()
    });
    if let Some(tokens) = &*TOKENS {
        let verified = tokens.verify(&String::from_utf8_lossy(bytes), None);
        assert!(verified.is_err(), "nobody has the key");
    }
}

fn cel(bytes: &[u8]) {
    let env = cel::Env::kubernetes()
        .variable("self", cel::Type::Dyn)
        .variable("object", cel::Type::Dyn);
    if let Ok(program) = env.compile(&String::from_utf8_lossy(bytes)) {
        let _ = program.output_type();
    }
}

/// A connection on which these bytes come, and nothing is kept of what goes.
struct Fed<'a>(&'a [u8]);

impl AsyncRead for Fed<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(into.remaining().min(self.0.len()));
        into.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fed<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn websocket(bytes: &[u8]) {
    let bounds = WebSocketConfig::default()
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20));
    let reading = async {
        let mut socket =
            WebSocketStream::from_raw_socket(Fed(bytes), Role::Server, Some(bounds)).await;
        while let Some(Ok(_)) = socket.next().await {}
    };
    futures::executor::block_on(reading);
}

fn spdy(bytes: &[u8]) {
    let (mut decoder, mut headers) = (spdy::Decoder::default(), spdy::Inflater::default());
    for part in bytes.chunks(7) {
        decoder.push(part);
        while let Ok(Some(frame)) = decoder.next() {
            if let spdy::Frame::Open { headers: block, .. } = frame {
                let _ = headers.block(&block);
            }
        }
    }
}

fn audit_policy(bytes: &[u8]) {
    let _ = audit::Policy::parse(&String::from_utf8_lossy(bytes));
}

/// What anybody sends as evidence, judged as each kind.
fn evidence(bytes: &[u8]) {
    let given = tee_verify::read_collateral(bytes).unwrap_or_default();
    let policy = OfflinePolicy::default();
    for kind in Kind::ALL {
        if let Ok(read) = tee_verify::read_evidence(bytes, Some(kind)) {
            let verdict = judge(&read, &given, &policy, &[], At::Evidence);
            // The simulated root's key is public, but no mutation signs with it.
            assert_ne!(verdict.exit_code(), 0, "{kind}");
            let _ = judge(&read, &given, &policy, &[], At::Time(UNIX_EPOCH));
        }
    }
}

/// What anybody sends beside it.
fn collateral(bytes: &[u8]) {
    let mut given = Collateral::default();
    let _ = given.add(bytes);
    let _ = given.add_dcap(bytes);
    let _ = tee_verify::read_root(bytes);
    if let Ok(read) = serde_json::from_slice::<Collateral>(bytes) {
        let again = serde_json::to_vec(&read).unwrap_or_default();
        assert_eq!(
            serde_json::from_slice::<Collateral>(&again).ok(),
            Some(read)
        );
    }
    if let Ok(report) = tee_verify::Evidence::new(Kind::Snp, vec![2; 0x4a0]) {
        let at = At::Time(UNIX_EPOCH);
        let _ = judge(&report, &given, &OfflinePolicy::default(), &[], at);
    }
}
