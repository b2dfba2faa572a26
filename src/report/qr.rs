//! QR codes as pictures for a page.

use qrcode::{EcLevel, QrCode, render::svg};
use zeroize::Zeroizing;

/// The text has more characters than a QR code can encode (some thousand).
pub(super) struct TooLong;

/// An SVG element with `module` units for each module. It may show a secret, so it wipes itself.
pub(super) fn picture(text: &str, level: EcLevel, module: u32) -> Result<Zeroizing<String>, TooLong> {
    let code = QrCode::with_error_correction_level(text, level).map_err(|_| TooLong)?;
    let picture = Zeroizing::new(code.render::<svg::Color>().module_dimensions(module, module).build());
    // An XML declaration is not allowed within HTML.
    let start = picture.find("<svg").unwrap_or_default();
    Ok(Zeroizing::new(picture[start..].to_owned()))
}
