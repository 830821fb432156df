use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// `sui keytool` vector: the all-`0x2a` seed in both of Sui's formats is the same key.
#[test]
fn entry_is_flag_and_seed_in_base64() {
    let key = Key::from_seed(&[0x2a; 32]);
    let entry = key.to_entry();
    let bytes = STANDARD.decode(entry.as_bytes()).unwrap();
    assert_eq!(bytes[0], 0);
    assert_eq!(&bytes[1..], &[0x2a; 32]);
    let Ok(Entry::Ed25519(read)) = parse_entry(entry) else {
        panic!("not read back");
    };
    assert_eq!(read.address(), key.address());
}

#[test]
fn create_load_add_and_choose() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sui.keystore");
    let mut keystore = Keystore::create(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let first = keystore.choose(None).unwrap().address();
    assert!(matches!(
        Keystore::create(&path),
        Err(KeystoreError::Exists { .. })
    ));
    let second = keystore.add(Key::generate().unwrap()).unwrap();
    let read = Keystore::load_or_create(&path).unwrap();
    assert_eq!(read.addresses(), vec![first, second]);
    assert!(matches!(
        read.choose(None),
        Err(KeystoreError::Ambiguous { count: 2, .. })
    ));
    assert_eq!(read.choose(Some(&second)).unwrap().address(), second);
    let stranger = Key::generate().unwrap().address();
    let message = read.key(&stranger).unwrap_err().to_string();
    assert!(message.contains(&first.to_string()) && message.contains("sui.keystore"));
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn other_schemes_are_kept_and_not_signed_with() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sui.keystore");
    let mut other = vec![1_u8];
    other.extend([7; 32]);
    let other = STANDARD.encode(other);
    write_atomically(&path, format!("[\"{other}\"]").as_bytes(), 0o600).unwrap();
    let mut keystore = Keystore::load(&path).unwrap();
    assert!(keystore.addresses().is_empty());
    keystore.add(Key::generate().unwrap()).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains(&other));
}

#[test]
fn faults_name_the_file_and_repeat_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sui.keystore");
    assert!(matches!(
        Keystore::load(&path),
        Err(KeystoreError::Missing { .. })
    ));
    let cases = [
        ("{}", "JSON array"),
        ("[\"topsecret!\"]", "not base64"),
        ("[\"\"]", "33 bytes"),
        ("[\"AAECAw==\"]", "33 bytes"),
        ("[\"/wECAw==\"]", "flag"),
        ("[topsecret]", "JSON array"),
    ];
    for (text, expected) in cases {
        write_atomically(&path, text.as_bytes(), 0o600).unwrap();
        let message = Keystore::load(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(message.contains("sui.keystore"), "{message}");
        assert!(!message.contains("topsecret"), "{message}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let message = Keystore::load(&path).unwrap_err().to_string();
    assert!(
        message.contains("0640") && message.contains("chmod 600"),
        "{message}"
    );
}

#[test]
fn debug_shows_no_secret() {
    let key = Key::from_seed(&[0x2a; 32]);
    let shown = format!("{key:?}");
    assert!(shown.contains(&key.address().to_string()));
    assert!(!shown.contains("2a2a2a2a") && !shown.contains(key.to_entry().as_str()));
}

#[test]
fn suiprivkey_is_imported() {
    let key = Key::generate().unwrap();
    let exported = key.private.to_suiprivkey().unwrap();
    assert!(exported.starts_with("suiprivkey1"));
    assert_eq!(
        Key::from_suiprivkey(&format!("{exported}\n"))
            .unwrap()
            .address(),
        key.address()
    );
    let message = Key::from_suiprivkey("suiprivkey1topsecret")
        .unwrap_err()
        .to_string();
    assert!(!message.contains("topsecret"));
}
