// placeholder
export function showConv(panel, state) { panel.textContent = String(state.selected.unit); }
