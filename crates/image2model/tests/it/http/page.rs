use axum::body::Body;

use super::{Answer, Api, form_with, picture, request, text};

async fn browse(api: &Api, path: &str) -> Answer {
    let request = request("GET", path)
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .body(Body::empty())
        .unwrap();
    api.send(request).await
}

#[tokio::test]
async fn a_browser_gets_a_page_that_may_load_from_this_origin_only() {
    let api = Api::new();
    let page = browse(&api, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("vary"), "accept");
}

#[tokio::test]
async fn no_page_needs_what_its_policy_forbids() {
    let api = Api::new();
    let job = api.job(&["a.png"]).await;
    for path in ["/", "/plain", &format!("/job/{job}")] {
        let page = browse(&api, path).await;
        assert!(!page.header("content-security-policy").contains("unsafe"));
        let text = page.text();
        for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!text.contains(inline), "{inline} in {path}");
        }
        for script in text.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            assert!(tag.contains(" src=\"/assets/"), "{tag} in {path}");
        }
    }
}

#[tokio::test]
async fn without_scripts_a_form_leads_to_the_models() {
    let api = Api::new();
    let form = browse(&api, "/plain").await.text();
    assert!(form.contains("action=\"/api/v1/upload/\""));
    assert!(form.contains("under 5 GB or 5 % free"));

    let parts = [
        picture("a<b>.png", b"bytes"),
        text("face_limit", ""),
        text("model", "inflate"),
    ];
    let accepted = api
        .send(form_with(&parts, &[("accept", "text/html")]))
        .await;
    assert_eq!(accepted.status, 303);
    let place = accepted.header("location").to_owned();

    let waiting = browse(&api, &place).await.text();
    assert!(waiting.contains("http-equiv=\"refresh\""));
    assert!(waiting.contains("a&lt;b&gt;.png") && !waiting.contains("a<b>"));

    let started = api.start(image2model::job::Queue::ModelGeneration).await;
    api.complete(&started[0].lease).await;
    let done = browse(&api, &place).await.text();
    assert!(!done.contains("http-equiv=\"refresh\""));
    let link = done
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(api.get(link).await.text(), "the glb of 1");
}

#[tokio::test]
async fn a_refused_form_is_answered_in_words() {
    let api = Api::new();
    let parts = [picture("a.gif", b"bytes")];
    let refused = api
        .send(form_with(&parts, &[("accept", "text/html")]))
        .await;
    assert_eq!(refused.status, 400);
    assert!(refused.header("content-type").starts_with("text/html"));
    assert!(
        refused
            .text()
            .contains("a.gif: the extension &quot;gif&quot;")
    );
}

#[tokio::test]
async fn every_asset_that_the_page_names_is_served_and_may_be_kept() {
    let api = Api::new();
    let page = browse(&api, "/").await.text();
    for quoted in page.split('"').filter(|text| text.starts_with("/assets/")) {
        let asset = api.get(quoted).await;
        assert_eq!(asset.status, 200, "{quoted}");
        assert!(asset.header("cache-control").contains("immutable"));
        let again = request("GET", quoted)
            .header("if-none-match", asset.header("etag"))
            .body(Body::empty())
            .unwrap();
        assert_eq!(api.send(again).await.status, 304, "{quoted}");
        super::assert_problem(&api.post(quoted).await, 405);
    }
    super::assert_problem(&api.get("/assets/none.js").await, 404);
    super::assert_problem(&api.get("/assets/../../Cargo.toml").await, 404);
}
