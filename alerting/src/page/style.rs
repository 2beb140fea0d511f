//! How the page looks, and the headers that let it be nothing else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The one style sheet; the policy allows exactly this text by its hash.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f4f5f7;--card:#fff;--ink:#16191d;--soft:#59626d;--line:#d9dde2;\
--loud:#c62828;--warm:#a85b00;--calm:#17693f;--plain:#4a5560;--act:#1557c0;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--ground:#0e1114;--card:#181c21;--ink:#eceff2;--soft:#a3adb8;--line:#323941;\
--loud:#c4403b;--warm:#a2610e;--calm:#1f7d4d;--plain:#5a6672;--act:#2f6fd0}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--ground);color:var(--ink);\
font:17px/1.45 system-ui,-apple-system,\"PingFang SC\",\"Noto Sans CJK SC\",\"Noto Sans SC\",sans-serif;\
overflow-wrap:anywhere}\
main{max-width:34rem;margin:0 auto;padding:0 12px 24px}\
header{margin:0 -12px 12px;padding:14px 16px;color:var(--on);background:var(--plain)}\
header.critical{background:var(--loud)}header.warning{background:var(--warm)}header.resolved{background:var(--calm)}\
header p{margin:0;font-size:15px;opacity:.95}\
h1{margin:2px 0 0;font-size:21px;line-height:1.3}\
h2{margin:20px 4px 6px;font-size:15px;font-weight:600;color:var(--soft)}\
.card{margin:0 0 12px;padding:12px 14px;background:var(--card);border:1px solid var(--line);border-radius:12px}\
.card>p{margin:0 0 6px}.card>p:last-child{margin:0}\
.notice{border-left:6px solid var(--calm);font-weight:600}.notice.bad{border-left-color:var(--loud)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 14px;margin:0}\
dt{color:var(--soft)}dd{margin:0}\
.said+dl{margin-top:10px;padding-top:10px;border-top:1px solid var(--line)}\
form{margin:0}\
button,summary{display:block;width:100%;min-height:52px;padding:12px 16px;border-radius:12px;font:inherit;font-weight:600;\
text-align:center;cursor:pointer}\
input,textarea{display:block;box-sizing:border-box;width:100%;min-height:52px;margin:6px 0 10px;padding:10px 14px;\
border:1px solid var(--line);border-radius:12px;background:var(--card);color:var(--ink);font:inherit}\
button{margin:0 0 10px;border:1px solid var(--line);background:var(--card);color:var(--ink)}\
button.first{min-height:60px;border-color:var(--act);background:var(--act);color:var(--on);font-size:19px}\
button.danger{margin:0;border-color:var(--loud);color:var(--ink)}\
summary{list-style:none;color:var(--soft);font-weight:400;text-decoration:underline;text-underline-offset:3px}\
summary::-webkit-details-marker{display:none}\
details p{margin:0 0 10px;color:var(--soft);font-size:15px}\
:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
ol,ul{margin:0;padding:0;list-style:none}\
li{padding:7px 0;border-top:1px solid var(--line)}li:first-child{border:0;padding-top:0}li:last-child{padding-bottom:0}\
time{margin-right:10px;color:var(--soft);font-variant-numeric:tabular-nums}\
small{display:block;margin:16px 4px 0;color:var(--soft);font-size:14px}\
a.more{display:block;min-height:44px;padding:10px 4px;color:inherit}";

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// The headers every answer of the page carries. It is not kept, not indexed, not framed, loads and
/// runs nothing, and its address (which is the permission) goes to no other site. The policy is
/// `same-origin` because with `no-referrer` browsers post forms with `Origin: null`, which the check
/// against forged requests rightly refuses.
pub fn headers() -> [(&'static str, &'static str); 7] {
    [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY.as_str()),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex, nofollow"),
    ]
}
