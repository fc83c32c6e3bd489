"""A simple shape of 24 by 24 for each kind of device, drawn with the stroke of what is around it."""

from __future__ import annotations

from labs.model.site import Kind

__all__ = ["ICONS"]

ICONS: dict[Kind, str] = {
    Kind.INTERNET: '<path d="M7 18.5a4.2 4.2 0 0 1-.6-8.4A6 6 0 0 1 18 9.6a4.5 4.5 0 0 1-.8 8.9Z"/>',
    Kind.ROUTER: (
        '<circle cx="12" cy="12" r="9.5"/>'
        '<path d="M12 10V4.8M9.8 7 12 4.8 14.2 7M12 14v5.2M9.8 17 12 19.2 14.2 17'
        'M4.6 12H9.8M7.6 9.8 9.8 12 7.6 14.2M19.4 12H14.2M16.4 9.8 14.2 12 16.4 14.2"/>'
    ),
    Kind.SWITCH: (
        '<rect x="2" y="5.5" width="20" height="13" rx="2"/>'
        '<path d="M6 10H16.5M14 7.8 16.5 10 14 12.2M18 14.3H7.5M10 12.1 7.5 14.3 10 16.5"/>'
    ),
    Kind.HOST: '<rect x="4" y="4.5" width="16" height="11" rx="1.5"/><path d="M1.8 19.5H22.2"/>',
    Kind.SERVER: (
        '<rect x="4.5" y="2.5" width="15" height="8.5" rx="1.5"/>'
        '<rect x="4.5" y="13" width="15" height="8.5" rx="1.5"/>'
        '<path d="M8 6.8H8.2M11.5 6.8H16M8 17.3H8.2M11.5 17.3H16"/>'
    ),
    Kind.SENSOR: (
        '<path d="M9.2 13.6V5a2.8 2.8 0 0 1 5.6 0V13.6a4.6 4.6 0 1 1-5.6 0Z"/><path d="M12 9V16"/>'
        '<circle cx="12" cy="17.2" r="1.3"/>'
    ),
    Kind.DISPLAY: (
        '<rect x="2.5" y="3.5" width="19" height="13" rx="1.5"/><path d="M12 16.5V20M8 20.5H16"/>'
        '<path d="M6.5 12.5V10.5M10.2 12.5V7.5M13.8 12.5V9.5M17.5 12.5V7"/>'
    ),
    Kind.ACTUATOR: (
        '<circle cx="12" cy="12" r="8.5"/><path d="M12 1.5V5M12 19V22.5M8.6 15.4V8.6L12 12 15.4 8.6V15.4"/>'
    ),
    Kind.GATEWAY: (
        '<rect x="3" y="8" width="18" height="11" rx="1.5"/>'
        '<path d="M8 8V3.5M16 8V3.5M6.5 12H8M11.2 12H12.8M16 12H17.5"/>'
        '<path d="M6.5 15.5H17.5"/>'
    ),
    Kind.ACCESS_POINT: (
        '<rect x="3.5" y="14.5" width="17" height="6" rx="1.5"/><path d="M7 17.5H7.2"/>'
        '<path d="M8.6 10.6a4.8 4.8 0 0 1 6.8 0M5.6 7.4a9 9 0 0 1 12.8 0"/>'
    ),
}
