// Counts what went wrong in this page: exceptions, rejected promises, blocked resources.
// The figure is on <html data-errors>, so that a person or a test sees at a glance that nothing did.
(() => {
  const root = document.documentElement;
  root.dataset.errors = "0";
  const count = (text) => {
    root.dataset.errors = String(Number(root.dataset.errors) + 1);
    root.dataset.lastError = String(text).slice(0, 300);
  };
  addEventListener("error", (e) => count(e.message || `could not load ${e.target?.src ?? e.target?.href}`), true);
  addEventListener("unhandledrejection", (e) => count(e.reason));
  addEventListener("securitypolicyviolation", (e) => count(`blocked ${e.blockedURI} by ${e.effectiveDirective}`));
})();
