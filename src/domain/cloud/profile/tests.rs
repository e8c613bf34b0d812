//! Whose keys a profile gives, by the rules that Amazon publishes for its SDKs and command line.

use super::*;

const CREDENTIALS: &str = "# people's keys\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=planted/se=cret\n\n\
    [ci]\naws_access_key_id = AKIA2\naws_secret_access_key = s2\naws_session_token = t2\n[half]\naws_access_key_id = AKIA3\n";
const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile pod]\nrole_arn = arn:aws:iam::1:role/r\n\
    web_identity_token_file = /var/run/token\ns3 =\n  role_arn = other\n[pod2]\nrole_arn = x\nweb_identity_token_file = y\n";
const ROLE: &str = "arn:aws:iam::1:role/r";

fn chain(config: &str, name: &str) -> Result<Chain, ProfileError> {
    Profiles::parse(CREDENTIALS, config).chain(name)
}

fn keys(id: &str, secret: &str, token: Option<&str>) -> KeySource {
    KeySource::Keys(AccessKeys {
        id: id.to_owned(),
        secret: Secret::new(secret.to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
    })
}

fn role(arn: &str) -> AssumedRole {
    AssumedRole {
        arn: arn.to_owned(),
        session: None,
        external_id: None,
        seconds: 900,
    }
}

fn words_of(config: &str, name: &str) -> String {
    let problem = chain(config, name).expect_err("it cannot be used");
    problem.to_string()
}

#[test]
fn profiles_are_found_in_either_file() {
    let found = |name| chain(CONFIG, name).map(|chain| (chain.source, chain.roles));
    assert_eq!(
        found("default"),
        Ok((keys("AKIA1", "planted/se=cret", None), vec![]))
    );
    assert_eq!(found("ci"), Ok((keys("AKIA2", "s2", Some("t2")), vec![])));
    let pod = KeySource::WebIdentity {
        arn: ROLE.to_owned(),
        token_file: "/var/run/token".to_owned(),
        session: None,
    };
    assert_eq!(found("pod"), Ok((pod, vec![])));
    assert!(!format!("{:?}", found("default")).contains("planted"));
    // One that says nothing of keys leaves the choice to where the process is.
    assert_eq!(found("half"), Ok((KeySource::Surroundings, vec![])));
    // In `config` all profiles but the default one carry the word.
    for name in ["pod2", "nobody", ""] {
        assert_eq!(found(name), Err(ProfileError::Unknown(name.to_owned())));
    }
}

#[test]
fn a_role_is_assumed_with_the_keys_of_its_source() {
    let config = "[profile deploy]\nrole_arn = arn:aws:iam::2:role/deploy\nsource_profile = ci # not mine\n\
        role_session_name = me\nexternal_id = e 1\nduration_seconds = 3600\n\
        [profile far]\nrole_arn=arn:aws:iam::3:role/far\nsource_profile=deploy\nduration_seconds=soon\n";
    let deploy = AssumedRole {
        session: Some("me".to_owned()),
        external_id: Some("e 1".to_owned()),
        seconds: 3600,
        ..role("arn:aws:iam::2:role/deploy")
    };
    let source = keys("AKIA2", "s2", Some("t2"));
    let far = Chain {
        source,
        roles: vec![deploy, role("arn:aws:iam::3:role/far")],
    };
    assert_eq!(chain(config, "far"), Ok(far));
}

#[test]
fn a_profile_may_be_the_source_of_its_own_role_when_it_has_keys() {
    let config = "[profile ci]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = ci\n";
    let expected = Chain {
        source: keys("AKIA2", "s2", Some("t2")),
        roles: vec![role(ROLE)],
    };
    assert_eq!(chain(config, "ci"), Ok(expected));
}

#[test]
fn a_role_without_a_source_profile_names_where_its_keys_are() {
    for (field, source) in [
        ("credential_source = Environment", KeySource::Environment),
        (
            "credential_source = Ec2InstanceMetadata",
            KeySource::Instance,
        ),
        ("credential_source = EcsContainer", KeySource::Container),
        ("output = json", KeySource::Surroundings),
    ] {
        let config = format!("[profile r]\nrole_arn = {ROLE}\n{field}\n");
        let expected = Chain {
            source,
            roles: vec![role(ROLE)],
        };
        assert_eq!(chain(&config, "r"), Ok(expected), "{field}");
    }
}

#[test]
fn a_program_is_taken_apart_and_never_shown() {
    let config = "[profile p]\ncredential_process = \"/opt/my creds\" --password planted-secret\n\
        [profile open]\ncredential_process = 'creds\n";
    let found = chain(config, "p").expect("it is a program");
    assert!(!format!("{found:?}").contains("planted"), "{found:?}");
    let KeySource::Program { profile, command } = found.source else {
        panic!("no program");
    };
    assert_eq!(profile, "p");
    assert_eq!(
        command.expose(),
        &["/opt/my creds", "--password", "planted-secret"]
    );
    assert_eq!(
        words_of(config, "open"),
        "the `credential_process` of the profile `open` is empty, or a quote in it has no end"
    );
}

#[test]
fn single_sign_on_is_read_from_a_session_or_from_the_profile() {
    let own = "sso_account_id = 123456789012\nsso_role_name = reader\n";
    let page = "sso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n";
    let session =
        format!("[sso-session acme]\n{page}sso_registration_scopes = sso:account:access\n");
    let expected = |session: Option<&str>| {
        Ok(KeySource::SingleSignOn(SingleSignOn {
            region: "eu-west-1".to_owned(),
            start: "https://acme.awsapps.com/start".to_owned(),
            session: session.map(str::to_owned),
            account: "123456789012".to_owned(),
            role: "reader".to_owned(),
        }))
    };
    let found = |config: String| chain(&config, "p").map(|chain| chain.source);
    let with_session = format!("[profile p]\nsso_session = acme\n{own}");
    assert_eq!(
        found(format!("{with_session}{session}")),
        expected(Some("acme"))
    );
    assert_eq!(found(format!("[profile p]\n{page}{own}")), expected(None));

    let lacks = |has, lacks| {
        Err(ProfileError::Lacks {
            profile: "p".to_owned(),
            has,
            lacks,
        })
    };
    for (config, has, missing) in [
        (with_session.clone(), "sso_session", "[sso-session]"),
        (
            format!("{with_session}[sso-session acme]\nsso_region = eu-west-1\n"),
            "sso_session",
            "sso_start_url",
        ),
        (
            format!("{with_session}sso_region = us-east-1\n{session}"),
            "sso_session",
            "sso_region",
        ),
        (
            format!("[profile p]\n{page}sso_role_name = reader\n"),
            "sso_start_url",
            "sso_account_id",
        ),
        (
            format!(
                "[profile p]\n{}{own}",
                page.replace("eu-west-1", "x.example/")
            ),
            "sso_start_url",
            "sso_region",
        ),
    ] {
        assert_eq!(found(config.clone()), lacks(has, missing), "{config}");
    }
}

#[test]
fn profiles_that_lead_nowhere_are_refused_with_their_names() {
    let role = "role_arn = arn:aws:iam::1:role/r\n";
    let circle =
        format!("[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = a\n");
    assert_eq!(
        words_of(&circle, "a"),
        "the profile `a` is its own source in the end, and no profile on the way has keys"
    );
    let long: String = (0..20)
        .map(|at| format!("[profile p{at}]\n{role}source_profile = p{}\n", at + 1))
        .collect();
    assert_eq!(
        words_of(&long, "p0"),
        "more than 10 profiles are one another's source, the last is `p10`"
    );
    for (profile, expected) in [
        (
            format!("{role}source_profile = nobody"),
            "the profile `p` has the source `nobody`, which does not exist",
        ),
        (
            format!("{role}source_profile = half"),
            "the profile `p` has the source `half`, which has no login",
        ),
        (
            "source_profile = ci".to_owned(),
            "the profile `p` has `source_profile` but no usable `role_arn`",
        ),
        (
            format!("{role}source_profile = ci\ncredential_source = Environment"),
            "the profile `p` has more than one of `source_profile`, `credential_source`, `credential_process` and `web_identity_token_file`",
        ),
        (
            format!("{role}credential_source = Moon"),
            "the profile `p` has the `credential_source` `Moon`; expected `Environment`, `Ec2InstanceMetadata` or `EcsContainer`",
        ),
    ] {
        assert_eq!(
            words_of(&format!("[profile p]\n{profile}\n"), "p"),
            expected
        );
    }
    let second =
        format!("[profile p]\n{role}source_profile = ci\nmfa_serial = arn:aws:iam::1:mfa/me\n");
    let words = words_of(&second, "p");
    assert!(
        words.starts_with("the profile `p` has `mfa_serial`, but nobody"),
        "{words}"
    );
}
