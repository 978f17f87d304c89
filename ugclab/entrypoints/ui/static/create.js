export function mount(element) { element.textContent = "here"; }
