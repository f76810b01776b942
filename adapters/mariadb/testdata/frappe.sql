-- Tables as Frappe makes them, of today and of older versions, with rows.
CREATE TABLE `tabParty` (
  `name` varchar(140) NOT NULL,
  `creation` datetime(6) DEFAULT NULL,
  `modified` datetime(6) DEFAULT NULL,
  `modified_by` varchar(140) DEFAULT NULL,
  `owner` varchar(140) DEFAULT NULL,
  `docstatus` tinyint(4) NOT NULL DEFAULT 0,
  `idx` int(11) NOT NULL DEFAULT 0,
  `naming_series` varchar(140) DEFAULT NULL,
  `code` varchar(140) DEFAULT NULL,
  `tax_id` varchar(140) DEFAULT NULL,
  `active` int(1) NOT NULL DEFAULT 0,
  `visits` int(11) NOT NULL DEFAULT 0,
  `steps` bigint(20) DEFAULT NULL,
  `credit` decimal(18,6) NOT NULL DEFAULT 0.000000,
  `stars` decimal(3,2) DEFAULT NULL,
  `discount` decimal(21,9) DEFAULT 0.000000000,
  `extra` json DEFAULT NULL,
  `note` mediumtext,
  `seen` datetime DEFAULT NULL,
  `opens` time DEFAULT NULL,
  `since` date DEFAULT NULL,
  `nick` varchar(60) CHARACTER SET latin1 DEFAULT NULL,
  `custom_tag` varchar(140) DEFAULT NULL,
  `_user_tags` text DEFAULT NULL,
  `_comments` text DEFAULT NULL,
  `_assign` text DEFAULT NULL,
  `_liked_by` text DEFAULT NULL,
  PRIMARY KEY (`name`),
  UNIQUE KEY `code` (`code`),
  UNIQUE KEY `unique_tax` (`tax_id`, `custom_tag`),
  KEY `modified` (`modified`),
  KEY `active` (`active`),
  KEY `note_index` (`note`(20))
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO `tabParty` SET name = 'PARTY-00001', creation = '2024-02-03 04:05:06.789012', modified = '2024-02-03 04:05:06.789012', modified_by = 'a@x.com',
  owner = 'a@x.com', naming_series = 'PARTY-', code = 'C1', tax_id = 'T1', active = 1, visits = 7, steps = 8, credit = 12.5, stars = 0.6, discount = NULL,
  extra = '{"a": [1]}', note = 'note', seen = '2024-01-02 03:04:05', opens = '09:05:00', since = '2024-01-01', nick = 'Zoë', custom_tag = 'vip', _user_tags = ',tag';
INSERT INTO `tabParty` SET name = 'PARTY-00002', creation = '2024-02-04', modified = '2024-02-04', modified_by = 'a@x.com', owner = 'b@x.com',
  naming_series = 'PARTY-', tax_id = 'T1', discount = 2.5;

CREATE TABLE `tabParty Line` (
  `name` varchar(140) NOT NULL,
  `creation` datetime(6) DEFAULT NULL,
  `modified` datetime(6) DEFAULT NULL,
  `modified_by` varchar(140) DEFAULT NULL,
  `owner` varchar(140) DEFAULT NULL,
  `docstatus` tinyint(4) NOT NULL DEFAULT 0,
  `idx` int(11) NOT NULL DEFAULT 0,
  `what` varchar(140) DEFAULT NULL,
  `parent` varchar(140) DEFAULT NULL,
  `parentfield` varchar(140) DEFAULT NULL,
  `parenttype` varchar(140) DEFAULT NULL,
  PRIMARY KEY (`name`),
  KEY `parent` (`parent`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO `tabParty Line` (name, creation, modified, idx, what, parent, parentfield, parenttype) VALUES
  ('l2', '2024-02-03 04:05:06', '2024-02-03 04:05:06', 2, 'second', 'PARTY-00001', 'lines', 'Party'),
  ('l1', '2024-02-03 04:05:06', '2024-02-03 04:05:06', 1, 'first', 'PARTY-00001', 'lines', 'Party');

CREATE TABLE `tabTicket` (
  `name` bigint(20) NOT NULL,
  `creation` datetime(6) DEFAULT NULL,
  `modified` datetime(6) DEFAULT NULL,
  `modified_by` varchar(140) DEFAULT NULL,
  `owner` varchar(140) DEFAULT NULL,
  `docstatus` int(1) DEFAULT 0,
  `idx` int(8) DEFAULT NULL,
  `subject` varchar(140) DEFAULT NULL,
  PRIMARY KEY (`name`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

INSERT INTO `tabTicket` VALUES (41, '2024-02-03 04:05:06', '2024-02-03 04:05:06', 'a@x.com', 'a@x.com', NULL, NULL, 'old');

CREATE TABLE `tabSeries` (
  `name` varchar(100) NOT NULL,
  `current` int(10) NOT NULL DEFAULT 0,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO `tabSeries` VALUES ('PARTY-', 2), ('OTHER-', 9);

CREATE TABLE `tabSingles` (
  `doctype` varchar(255) DEFAULT NULL,
  `field` varchar(255) DEFAULT NULL,
  `value` longtext DEFAULT NULL,
  KEY `singles_doctype_field_index` (`doctype`, `field`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO `tabSingles` VALUES ('Party Settings', 'greeting', 'Hello'), ('Party Settings', 'most', '5'), ('Other Settings', 'secret', 'x');
