//! Section 18: time-stamp requests and replies of RFC 3161, as far as they are read here.
//!
//! What a reply says is decoded here. The authority's signature is not checked: `openssl ts -verify` does that.

use super::{Malformed, limit};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Reader, Sequence, SliceReader, Tag, Tagged};

const REQUEST: &str = "time-stamp request";
const REPLY: &str = "time-stamp reply";
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A request to an authority for a time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeStampRequest {
    /// The digest to be stamped.
    pub sha256: [u8; 32],
    /// A random number by which the reply is recognised.
    pub nonce: u64,
}

/// An authority's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The authority made no time stamp.
    Refused {
        /// Of RFC 3161, section 2.4.2: 2 to 5.
        status: u8,
        /// The authority's words, in its languages.
        why: String,
    },
    /// The authority made a time stamp.
    Granted(TimeStamp),
}

/// A time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStamp {
    /// The stamped digest.
    pub sha256: [u8; 32],
    /// The number of the request, if the authority repeats it.
    pub nonce: Option<u64>,
    /// RFC 3339, UTC, with the authority's fractions of a second.
    pub time: String,
    /// The authority's serial number, in hexadecimal.
    pub serial: String,
    /// The object identifier of the authority's policy.
    pub policy: String,
}

#[derive(Sequence)]
struct Algorithm<'a> {
    oid: ObjectIdentifier,
    #[asn1(optional = "true")]
    parameters: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct MessageImprint<'a> {
    algorithm: Algorithm<'a>,
    hash: &'a OctetStringRef,
}

impl MessageImprint<'_> {
    fn sha256(&self) -> Option<[u8; 32]> {
        self.hash.as_bytes().try_into().ok().filter(|_| self.algorithm.oid == SHA256)
    }
}

/// `TimeStampReq` of RFC 3161, section 2.4.1, without the optional fields that are not used here.
#[derive(Sequence)]
struct TimeStampReq<'a> {
    version: u8,
    imprint: MessageImprint<'a>,
    nonce: u64,
    cert_req: bool,
}

impl TimeStampRequest {
    /// The request as a `.tsq` file: DER. It asks for the authority's certificate, so that the reply can be checked without
    /// other files.
    pub fn encode(&self) -> Vec<u8> {
        let encoded = OctetStringRef::new(&self.sha256).and_then(|hash| {
            let algorithm = Algorithm { oid: SHA256, parameters: Some(AnyRef::NULL) };
            TimeStampReq { version: 1, imprint: MessageImprint { algorithm, hash }, nonce: self.nonce, cert_req: true }.to_der()
        });
        encoded.unwrap_or_else(|_| unreachable!("71 bytes are below every limit of DER"))
    }

    /// Decodes a request that [`Self::encode`] made.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit(REQUEST, bytes.len() as u64, limit::STAMP_BYTES)?;
        let r = TimeStampReq::from_der(bytes).map_err(|e| Malformed::new(REQUEST, e.to_string()))?;
        let sha256 = r.imprint.sha256().ok_or_else(|| Malformed::new(REQUEST, "its hash is not SHA-256"))?;
        if r.version != 1 || !r.cert_req {
            return Err(Malformed::new(REQUEST, "not a request of this program"));
        }
        Ok(Self { sha256, nonce: r.nonce })
    }
}

impl Reply {
    /// Decodes a `.tsr` file: a `TimeStampResp` in DER.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit(REPLY, bytes.len() as u64, limit::STAMP_BYTES)?;
        let fault = |e: der::Error| Malformed::new(REPLY, e.to_string());
        let (status, why, token) = outer(bytes).map_err(fault)?;
        // 0: granted; 1: granted with changes, which comparing nonce and hash would show.
        if status > 1 {
            return Ok(Self::Refused { status, why });
        }
        let token = token.ok_or_else(|| Malformed::new(REPLY, "granted, without a time stamp"))?;
        let content = signed_content(token).map_err(fault)?.ok_or_else(|| Malformed::new(REPLY, "it contains no time stamp"))?;
        TimeStamp::decode(content).map(Self::Granted)
    }
}

/// `TimeStampResp`: the status, its text, and the token.
fn outer(bytes: &[u8]) -> der::Result<(u8, String, Option<AnyRef<'_>>)> {
    let mut reader = SliceReader::new(bytes)?;
    let parts = reader.sequence(|r| -> der::Result<_> {
        let (status, why) = r.sequence(|info| -> der::Result<_> {
            let status = info.decode::<u8>()?;
            let mut why = String::new();
            while !info.is_finished() {
                let more = info.decode::<AnyRef>()?;
                // A text for each language. The other field, of bits, says the same.
                if more.tag() == Tag::Sequence {
                    more.sequence(|texts| -> der::Result<()> {
                        while !texts.is_finished() {
                            why.push_str(&String::from_utf8_lossy(texts.decode::<AnyRef>()?.value()));
                        }
                        Ok(())
                    })?;
                }
            }
            Ok((status, why))
        })?;
        let token = if r.is_finished() { None } else { Some(r.decode::<AnyRef>()?) };
        Ok((status, why, token))
    })?;
    reader.finish()?;
    Ok(parts)
}

/// The signed content: the `TSTInfo` in the `SignedData` in a `ContentInfo`; `None` if it is something else.
fn signed_content(token: AnyRef<'_>) -> der::Result<Option<&[u8]>> {
    token.sequence(|info| -> der::Result<_> {
        if info.decode::<ObjectIdentifier>()? != SIGNED_DATA {
            return skip_rest(info).map(|()| None);
        }
        // [0] EXPLICIT
        let data = info.decode::<AnyRef>()?;
        AnyRef::from_der(data.value())?.sequence(|signed| -> der::Result<_> {
            // Version, digest algorithms.
            signed.decode::<AnyRef>()?;
            signed.decode::<AnyRef>()?;
            let content = signed.sequence(|e| -> der::Result<_> {
                if e.decode::<ObjectIdentifier>()? != TST_INFO || e.is_finished() {
                    return skip_rest(e).map(|()| None);
                }
                let content = e.decode::<AnyRef>()?;
                Ok(Some(<&OctetStringRef>::from_der(content.value())?.as_bytes()))
            })?;
            // Certificates, signatures.
            skip_rest(signed)?;
            Ok(content)
        })
    })
}

fn skip_rest<'a>(reader: &mut impl Reader<'a>) -> der::Result<()> {
    while !reader.is_finished() {
        reader.decode::<AnyRef>()?;
    }
    Ok(())
}

impl TimeStamp {
    /// A `TSTInfo` of RFC 3161, section 2.4.2.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed::new(REPLY, why);
        let mut reader = SliceReader::new(bytes).map_err(|e| wrong(&e.to_string()))?;
        let read = reader.sequence(|r| -> der::Result<_> {
            let (version, policy) = (r.decode::<u8>()?, r.decode::<ObjectIdentifier>()?);
            let sha256 = r.decode::<MessageImprint>()?.sha256();
            let (serial, time) = (r.decode::<AnyRef>()?, r.decode::<AnyRef>()?);
            let mut nonce = None;
            // Accuracy and ordering come before the nonce, the authority's name and extensions behind it.
            while !r.is_finished() {
                let more = r.decode::<AnyRef>()?;
                if more.tag() == Tag::Integer {
                    nonce = more.decode_as::<u64>().ok();
                }
            }
            Ok((version, policy, sha256, serial, time, nonce))
        });
        let (version, policy, sha256, serial, time, nonce) = read.map_err(|e| wrong(&e.to_string()))?;
        reader.finish().map_err(|e| wrong(&e.to_string()))?;
        if version != 1 || serial.tag() != Tag::Integer {
            return Err(wrong("a time stamp of another kind"));
        }
        Ok(Self {
            sha256: sha256.ok_or_else(|| wrong("its hash is not SHA-256"))?,
            nonce,
            time: generalized_time(time).ok_or_else(|| wrong("its time is not a GeneralizedTime"))?,
            serial: super::object::hex(serial.value()),
            policy: policy.to_string(),
        })
    }
}

/// `20261123033154.25Z` as RFC 3339. RFC 3161 allows fractions, which certificates do not have and the crate does not decode.
fn generalized_time(time: AnyRef) -> Option<String> {
    let text = std::str::from_utf8(time.value()).ok().filter(|_| time.tag() == Tag::GeneralizedTime)?;
    let (whole, fraction) = text.strip_suffix('Z')?.split_at_checked(14)?;
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let fits =
        digits(whole) && (fraction.is_empty() || fraction.len() > 1 && fraction.starts_with('.') && digits(&fraction[1..]));
    if !fits {
        return None;
    }
    let [y, m, d, h, min, s] = [0..4, 4..6, 6..8, 8..10, 10..12, 12..14].map(|r| &whole[r]);
    Some(format!("{y}-{m}-{d}T{h}:{min}:{s}{fraction}Z"))
}
