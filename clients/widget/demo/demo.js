// The page's own address, so that what it shows can be copied.
for (const place of document.querySelectorAll("[data-origin]")) place.textContent = location.origin;
