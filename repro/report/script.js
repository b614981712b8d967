// Filters the claims; the state is kept in the address (#status=inconclusive&q=weights), so that it can be shared.
(function () {
  "use strict";
  var form = document.getElementById("filter");
  var fields = ["q", "status", "kind", "paper"].map(function (id) { return document.getElementById(id); });
  var output = document.getElementById("count");
  function list(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }
  var claims = list("article.claim").map(function (a) {
    return { id: a.dataset.claim, status: a.dataset.status, kinds: a.dataset.kinds.split(" "), paper: a.dataset.paper,
      text: a.textContent.toLowerCase().replace(/\s+/g, " ") };
  });
  var marked = list("[data-claim]");

  function matches(c, want) {
    return (!want.status || c.status === want.status) && (!want.kind || c.kinds.indexOf(want.kind) >= 0) &&
      (!want.paper || c.paper === want.paper) &&
      want.q.toLowerCase().split(/\s+/).every(function (word) { return c.text.indexOf(word) >= 0; });
  }

  function apply() {
    var want = {}, shown = {}, n = 0;
    fields.forEach(function (f) { want[f.id] = f.value.trim(); });
    claims.forEach(function (c) { if (matches(c, want)) { shown[c.id] = true; n++; } });
    marked.forEach(function (e) { e.hidden = !shown[e.dataset.claim]; });
    list("[data-group]").forEach(function (g) { g.hidden = !g.querySelector("[data-claim]:not([hidden])"); });
    list(".none").forEach(function (p) { p.hidden = !!p.parentNode.querySelector("[data-claim]:not([hidden])"); });
    output.textContent = n + " of " + claims.length + (claims.length === 1 ? " claim" : " claims");
  }

  function write() {
    var state = fields.filter(function (f) { return f.value; }).map(function (f) { return f.id + "=" + encodeURIComponent(f.value); });
    try { history.replaceState(null, "", state.length ? "#" + state.join("&") : location.pathname + location.search); } catch (e) { /* not allowed here */ }
  }

  // read takes the state from the address, or shows everything if the address points at something hidden.
  function read() {
    var hash = location.hash.slice(1);
    if (hash.indexOf("=") >= 0) {
      var state = new URLSearchParams(hash);
      fields.forEach(function (f) {
        f.value = state.get(f.id) || "";
        if (f.value === "" && f.tagName === "SELECT") { f.selectedIndex = 0; }
      });
      apply();
      return true;
    }
    var target = hash && document.getElementById(hash);
    if (target && target.closest("[hidden]")) {
      fields.forEach(function (f) { f.value = ""; });
      apply();
      target.scrollIntoView();
      target.focus();
    }
    return false;
  }

  form.hidden = false;
  form.addEventListener("submit", function (e) { e.preventDefault(); });
  form.addEventListener("input", function () { apply(); write(); });
  form.addEventListener("reset", function () { setTimeout(function () { apply(); write(); }, 0); });
  window.addEventListener("hashchange", function () { if (read()) { document.getElementById("grid").scrollIntoView(); } });
  window.addEventListener("beforeprint", function () { list("details").forEach(function (d) { d.open = true; }); });
  read();
})();
