// Keeps the site for use offline: all files are stored at the first visit and served from there. A new version of the
// site has another VERSION; its files are stored beside the old ones, which are deleted when no page uses them.

const VERSION = "";
/** @type {string[]} */
const FILES = [];

const scope = /** @type {any} */ (self);
const NAME = `nmt ${scope.registration.scope} ${VERSION}`;

scope.addEventListener("install", (/** @type {any} */ event) => {
  const stored = caches.open(NAME).then((cache) => cache.addAll(FILES.map((path) => new Request(path, { cache: "no-cache" }))));
  event.waitUntil(stored);
});

scope.addEventListener("activate", (/** @type {any} */ event) => {
  const isOld = (/** @type {string} */ name) => name.startsWith(`nmt ${scope.registration.scope} `) && name !== NAME;
  const deleted = caches.keys().then((names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name))));
  event.waitUntil(deleted.then(() => scope.clients.claim()));
});

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  if (event.request.method !== "GET") return;
  // The page is stored under the address of its folder.
  const url = new URL(event.request.url);
  const isPage = event.request.mode === "navigate" && url.pathname === new URL("index.html", scope.registration.scope).pathname;
  const asked = isPage ? scope.registration.scope : event.request;
  const stored = caches.open(NAME).then((cache) => cache.match(asked, { ignoreSearch: true, ignoreVary: true }));
  event.respondWith(stored.then((response) => response ?? fetch(event.request)));
});
